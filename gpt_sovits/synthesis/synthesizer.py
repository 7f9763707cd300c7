"""Whole texts to speech, sentences in batches.

Each sentence draws from random streams of its own, seeded by (seed, place in the text, attempt): neither the batch
size nor the neighbours change its tokens or its sound, but for rounding of batched sums.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from gpt_sovits.bert import Bert
from gpt_sovits.determinism import derive_seed
from gpt_sovits.gpt.generation import Prompt, generate
from gpt_sovits.gpt.inference import prepare_for_inference
from gpt_sovits.gpt.model import GPT
from gpt_sovits.gpt.reading import attended_phonemes, longest_unread_run
from gpt_sovits.gpt.reranking import count_phone_errors
from gpt_sovits.sovits.model import SoVITS
from gpt_sovits.synthesis.batching import length_buckets
from gpt_sovits.synthesis.detection import OUTCOMES, outcome_of
from gpt_sovits.synthesis.fit import check_fit
from gpt_sovits.synthesis.preset import Preset
from gpt_sovits.synthesis.reference import Reference
from gpt_sovits.synthesis.sentences import Reader, Sentence
from gpt_sovits.synthesis.speech import SentenceReport, Speech, Timings, join
from gpt_sovits.text.lexicon import Lexicon


@dataclass(frozen=True)
class Tokens:
    """What the GPT made of a sentence. tokens: (n,) int64 on the CPU, without EOS; gpt_seconds: its share of work."""

    tokens: Tensor
    ended_by_itself: bool
    gpt_seconds: float


@dataclass(frozen=True)
class Attempt:
    """A sentence spoken once. number: of the take, from 0; waveform: (n_samples,) float32 in [-1, 1]"""

    number: int
    tokens: Tokens
    waveform: np.ndarray
    outcome: str
    sovits_seconds: float


@dataclass(frozen=True)
class Judged:
    """The best attempt at a sentence, and the work of all of them. waveform: (n_samples,) float32 in [-1, 1]"""

    waveform: np.ndarray
    report: SentenceReport
    timings: Timings


class Synthesizer:
    """Speaks any text with one voice. Not to be shared between threads.

    references: one, or several whose styles are averaged; the GPT is prompted with the first. Their features and the
        voice's style are computed once, not once a sentence
    lexicon: the voice's own words; bert: where the GPT was trained with its features and the language has them, else
        they are zeros
    batch_size: sentences that are computed together; a matter of speed and memory, not of the result
    precision: what the weights are stored as, see gpt_sovits/precision.py; the networks are packed for it in place
    Raises ValueError where GPT, SoVITS and references do not fit each other.
    """

    def __init__(
        self,
        gpt: GPT,
        sovits: SoVITS,
        references: Reference | Sequence[Reference],
        preset: Preset,
        *,
        lexicon: Lexicon | None = None,
        bert: Bert | None = None,
        batch_size: int = 8,
        precision: str = "float32",
    ) -> None:
        self.references = (references,) if isinstance(references, Reference) else tuple(references)
        check_fit(gpt, sovits, self.references, bert, preset)
        length_buckets([], batch_size)  # refuses a batch size that makes no sense now and not in mid-speech
        self.gpt, self.sovits = prepare_for_inference(gpt, precision), sovits.for_inference(precision)
        self.preset, self.batch_size = preset, batch_size
        n_prompt_tokens = len(self.references[0].semantic_tokens) if preset.prompted else 0
        room = gpt.config.max_positions - n_prompt_tokens
        self.reader = Reader(preset, room, lexicon, bert)
        self.device = sovits.ssl_proj.weight.device
        embeddings = [r.speaker_embedding.to(self.device) for r in self.references if r.speaker_embedding is not None]
        with torch.inference_mode():
            spectrograms = [reference.spectrogram.to(self.device) for reference in self.references]
            self.style = self.sovits.mean_style(spectrograms, embeddings or None)  # (1, style_channels, 1)

    @property
    def sample_rate(self) -> int:
        return self.sovits.config.sample_rate

    @property
    def pause(self) -> np.ndarray:
        """The silence between two sentences, (n,) float32."""
        return np.zeros(round(self.preset.pause_seconds * self.sample_rate), np.float32)

    def say(self, text: str, seed: int = 0) -> Speech:
        """Speak `text`. The same text and seed give the same samples.

        Raises ValueError where there is nothing to say in the text, where it is too long, and for broken weights.
        """
        return self.say_many([text], [seed])[0]

    @torch.inference_mode()
    def say_many(self, texts: Sequence[str], seeds: Sequence[int]) -> list[Speech]:
        """Speak each text with its seed, all their sentences together in batches: what `say` gives for each.

        Tokens are equal; samples differ by the rounding of batched sums, at most 1e-4 of full scale in float32. The
        same call gives the same bytes. A sentence that fails is spoken again with its next seed, at most
        preset.max_retries times; if none succeeds, the best attempt is kept, and its report says what is wrong.
        """
        if len(texts) != len(seeds):
            raise ValueError(f"{len(seeds)} seeds for {len(texts)} texts; give one a text")
        by_text, text_seconds = [], []
        for number, (text, seed) in enumerate(zip(texts, seeds, strict=True), start=1):
            begin = time.perf_counter()
            try:
                by_text.append(self.sentences(text, seed))
            except ValueError as error:
                if len(texts) == 1:
                    raise
                raise ValueError(f"text {number} of {len(texts)}: {error}") from error
            text_seconds.append(time.perf_counter() - begin)
        tries = iter(self.speak([sentence for sentences in by_text for sentence in sentences]))
        return [
            self._speech([judged(sentence, next(tries)) for sentence in sentences], seconds)
            for sentences, seconds in zip(by_text, text_seconds, strict=True)
        ]

    def expected_seconds(self, text: str) -> float:
        """How long the speaker would take for `text`, from the number of its phonemes."""
        return self.reader.expected_seconds(text)

    def sentences(self, text: str, seed: int) -> list[Sentence]:
        """The sentences of a text as this voice speaks them, at least one."""
        return self.reader.sentences(text, seed)

    def prompt(self, sentence: Sentence) -> Prompt:
        """What the GPT continues: what is said in the reference and is to be said, and the reference's tokens.

        Without preset.prompted: what is to be said.
        """
        reference = self.references[0]
        if not self.preset.prompted:
            return Prompt(sentence.phoneme_ids, reference.semantic_tokens[:0], sentence.bert_features)
        parts = [(part.phoneme_ids, part.bert_features) for part in (reference, sentence)]
        bert = None
        if any(features is not None for _, features in parts):
            zeros = torch.zeros(self.gpt.config.bert_dim, 1)
            bert = torch.cat([zeros.expand(-1, len(ids)) if f is None else f for ids, f in parts], dim=1)
        return Prompt(torch.cat([ids for ids, _ in parts]), reference.semantic_tokens, bert)

    def outcome(self, sentence: Sentence, tokens: Tokens, waveform: np.ndarray) -> str:
        """One of detection.OUTCOMES, for a sentence with its tokens and its sound, (n,) float32."""
        n_unread = 0
        if self.preset.alignment_head is not None:
            prompt, n_phonemes = self.prompt(sentence), len(sentence.phoneme_ids)
            places = attended_phonemes(self.gpt, prompt, tokens.tokens, self.preset.alignment_head)
            n_unread = longest_unread_run(places - (len(prompt.phoneme_ids) - n_phonemes), n_phonemes)
        ended, expected = tokens.ended_by_itself, sentence.expected_tokens
        return outcome_of(tokens.tokens.numpy(), ended, expected, waveform, n_unread)

    def noise_generator(self, sentence_seed: int) -> torch.Generator:
        """The source of the latent noise of a sentence."""
        return torch.Generator().manual_seed(derive_seed("noise", sentence_seed))

    def speak(self, sentences: Sequence[Sentence]) -> list[list[Attempt]]:
        """Every attempt at each sentence, in order. A round of attempts is one pass of batches over what failed."""
        tries: list[list[Attempt]] = [[] for _ in sentences]
        pending = list(range(len(sentences)))
        for round_ in range(self.preset.max_retries + 1):
            again = [sentences[i] for i in pending]
            takes = self._best_takes(again, round_)
            seeds = [sentence.seed_of(take) for sentence, (take, _) in zip(again, takes, strict=True)]
            waveforms = self._waveforms(again, [tokens for _, tokens in takes], seeds)
            for i, (take, tokens), (waveform, seconds) in zip(pending, takes, waveforms, strict=True):
                outcome = self.outcome(sentences[i], tokens, waveform)
                tries[i].append(Attempt(take, tokens, waveform, outcome, seconds))
            pending = [i for i in pending if tries[i][-1].outcome != "spoken"]
        return tries

    def _speech(self, judged_sentences: list[Judged], text_seconds: float) -> Speech:
        timings = sum((one.timings for one in judged_sentences), Timings(text=text_seconds))
        waveform = join([one.waveform for one in judged_sentences], self.pause)
        return Speech(waveform, self.sample_rate, tuple(one.report for one in judged_sentences), timings)

    def _best_takes(self, sentences: list[Sentence], round_: int) -> list[tuple[int, Tokens]]:
        """Of each sentence's takes of a round the first of the best: its number, and its tokens with all the work."""
        phones, n = self.preset.token_phones, self.preset.n_best_of
        numbers = range(round_ * n, (round_ + 1) * n)
        jobs = [(sentence, number) for sentence in sentences for number in numbers]
        made = self._tokens([sentence for sentence, _ in jobs], [sentence.seed_of(number) for sentence, number in jobs])
        best = []
        for sentence, start in zip(sentences, range(0, len(made), n), strict=True):
            takes, ids = made[start : start + n], sentence.phoneme_ids.tolist()
            misread = [count_phone_errors(take.tokens.tolist(), ids, phones) for take in takes] if n > 1 else [0]
            place = misread.index(min(misread))
            work = sum(take.gpt_seconds for take in takes)
            best.append((numbers[place], replace(takes[place], gpt_seconds=work)))
        return best

    def _tokens(self, sentences: list[Sentence], seeds: list[int]) -> list[Tokens]:
        made: dict[int, Tokens] = {}
        for batch in length_buckets([sentence.max_tokens for sentence in sentences], self.batch_size):
            begin = time.perf_counter()
            generated = generate(
                self.gpt,
                [self.prompt(sentences[i]) for i in batch],
                [seeds[i] for i in batch],
                self.preset.sampling(),
                max_tokens=max(sentences[i].max_tokens for i in batch),
            )
            shares = _shares(time.perf_counter() - begin, [len(one.tokens) for one in generated])
            for i, one, seconds in zip(batch, generated, shares, strict=True):
                bound = sentences[i].max_tokens  # of the sentence, where its neighbours may be longer
                made[i] = Tokens(one.tokens[:bound], one.reached_eos and len(one.tokens) < bound, seconds)
        return [made[i] for i in range(len(sentences))]

    def _waveforms(
        self, sentences: list[Sentence], made: list[Tokens], seeds: list[int]
    ) -> list[tuple[np.ndarray, float]]:
        """For each sentence its sound, (n_samples,) float32 in [-1, 1], and its share of the seconds."""
        spoken: dict[int, tuple[np.ndarray, float]] = {}
        for batch in length_buckets([len(one.tokens) for one in made], self.batch_size):
            begin = time.perf_counter()
            codes, code_lengths = _padded([made[i].tokens for i in batch], self.device)
            phonemes, phoneme_lengths = _padded([sentences[i].phoneme_ids for i in batch], self.device)
            waveforms, lengths = self.sovits.decode(
                codes,
                phonemes,
                self.style,
                code_lengths=code_lengths,
                phoneme_lengths=phoneme_lengths,
                speed=self.preset.speed,
                noise_scale=self.preset.noise_scale,
                generator=[self.noise_generator(seeds[i]) for i in batch],
            )
            rows = [limited(row[:n]) for row, n in zip(waveforms.float().cpu().numpy(), lengths.tolist(), strict=True)]
            shares = _shares(time.perf_counter() - begin, [len(row) for row in rows])
            spoken |= dict(zip(batch, zip(rows, shares, strict=True), strict=True))
        return [spoken[i] for i in range(len(sentences))]


def judged(sentence: Sentence, attempts: Sequence[Attempt]) -> Judged:
    """Picks the best attempt, the first of equals, and tells what happened."""
    best = min(attempts, key=lambda attempt: OUTCOMES.index(attempt.outcome))
    report = SentenceReport(
        text=sentence.text,
        seed=sentence.seed_of(best.number),
        n_retries=len(attempts) - 1,
        outcome=best.outcome,
        n_tokens=len(best.tokens.tokens),
        expected_tokens=sentence.expected_tokens,
        ended_by_itself=best.tokens.ended_by_itself,
        n_samples=len(best.waveform),
    )
    gpt, sovits = sum(a.tokens.gpt_seconds for a in attempts), sum(a.sovits_seconds for a in attempts)
    return Judged(best.waveform, report, Timings(gpt=gpt, sovits=sovits))


def limited(samples: np.ndarray) -> np.ndarray:
    """(n,) float32 made quieter where it is beyond [-1, 1]. Raises ValueError for NaN and infinity."""
    peak = float(np.abs(samples).max(initial=0.0))
    if not np.isfinite(peak):
        raise ValueError("the SoVITS computes NaN or infinite samples: its weights or the reference are broken")
    return samples / max(1.0, peak)


def _padded(rows: list[Tensor], device: torch.device) -> tuple[Tensor, Tensor]:
    """(B, longest) int64, padded on the right with 0, and (B,) lengths."""
    padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    return padded.to(device), torch.tensor([len(row) for row in rows], device=device)


def _shares(seconds: float, sizes: list[int]) -> list[float]:
    total = sum(sizes)
    return [seconds * size / total if total else seconds / len(sizes) for size in sizes]

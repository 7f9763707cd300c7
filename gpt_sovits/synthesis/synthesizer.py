"""Whole texts to speech, sentences in batches.

Each sentence draws from its own random streams, seeded by (seed, position in the text, attempt). Neither the batch size
nor the other sentences change its tokens or its sound, except for the rounding of batched sums.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable, Sequence
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
from gpt_sovits.synthesis.detection import OUTCOMES, detect_outcome
from gpt_sovits.synthesis.fit import check_fit
from gpt_sovits.synthesis.preset import Preset
from gpt_sovits.synthesis.reference import Reference
from gpt_sovits.synthesis.sentences import Reader, Sentence
from gpt_sovits.synthesis.speech import SentenceReport, Speech, Timings, join
from gpt_sovits.text.lexicon import Lexicon, WordEntry, with_words


@dataclass(frozen=True)
class Candidate:
    """What the GPT made of a sentence with one seed.

    Attributes:
        tokens: (n,) int64 on the CPU, without EOS.
        ended_by_itself: False where the length bound ended them.
        gpt_seconds: share of the GPT's time.
    """

    tokens: Tensor
    ended_by_itself: bool
    gpt_seconds: float


@dataclass(frozen=True)
class Attempt:
    """A sentence spoken once: the best of n candidates, and its sound.

    Attributes:
        number: number of the candidate, counted from 0 over all attempts.
        candidate: the best candidate, with the GPT's time for all candidates of this attempt.
        waveform: (n_samples,) float32 in [-1, 1].
        outcome: one of detection.OUTCOMES.
        sovits_seconds: share of the SoVITS's time.
    """

    number: int
    candidate: Candidate
    waveform: np.ndarray
    outcome: str
    sovits_seconds: float


@dataclass(frozen=True)
class SpokenSentence:
    """The best attempt at a sentence, with the time of all attempts.

    Attributes:
        waveform: (n_samples,) float32 in [-1, 1].
        report: what happened.
        timings: seconds of work.
        tokens: (n,) int64, its semantic tokens. None where they were not kept.
    """

    waveform: np.ndarray
    report: SentenceReport
    timings: Timings
    tokens: Tensor | None = None


class Synthesizer:
    """Speaks any text with one voice.

    Invariant: GPT, SoVITS, references and preset fit each other. Speaking changes nothing in the object, so that the
    same text and seed always give the same speech. Do not share one between threads.
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
        """Prepare a voice. The features of the references and the voice's style are computed here, once.

        Args:
            gpt: the GPT, packed in place for `precision`.
            sovits: the SoVITS, packed in place for `precision`.
            references: one or several, whose styles are averaged. The GPT is prompted with the first.
            preset: how the voice speaks.
            lexicon: the voice's own words.
            bert: for a GPT that was trained with BERT features, in a language that has them. Without it they are zeros.
            batch_size: sentences that are computed together. It changes speed and memory, not the result. The attribute
                decode_batch_size, at first the same, is that of the SoVITS.
            precision: how the weights are stored, see gpt_sovits/precision.py.

        Raises:
            ValueError: the parts do not fit each other, or batch_size or precision is not valid.
        """
        references = (references,) if isinstance(references, Reference) else tuple(references)
        check_fit(gpt, sovits, references, bert, preset)
        length_buckets([], batch_size)  # refuse a wrong batch size now and not while speaking
        self.gpt, self.sovits = prepare_for_inference(gpt, precision), sovits.for_inference(precision)
        self.batch_size = self.decode_batch_size = batch_size
        self._take_preset(preset, references, lexicon, bert)

    def with_preset(self, preset: Preset, references: Sequence[Reference]) -> Synthesizer:
        """Return the same voice with another preset. Both share the weights.

        Args:
            preset: how it speaks.
            references: those of the preset.

        Raises:
            ValueError: the parts do not fit each other.
        """
        check_fit(self.gpt, self.sovits, tuple(references), self.reader.bert, preset)
        other = copy.copy(self)
        other._take_preset(preset, tuple(references), self.reader.lexicon, self.reader.bert)
        return other

    def with_words(self, words: Iterable[WordEntry]) -> Synthesizer:
        """Return the same voice with further words, which take precedence over its own. Both share the weights.

        Raises:
            ValueError: a word or its pronunciation cannot be read.
        """
        other = copy.copy(self)
        other.reader = replace(self.reader, lexicon=with_words(self.reader.lexicon, words))
        return other

    def _take_preset(
        self, preset: Preset, references: tuple[Reference, ...], lexicon: Lexicon | None, bert: Bert | None
    ) -> None:
        self.preset, self.references = preset, references
        n_prompt_tokens = len(self.references[0].semantic_tokens) if preset.prompted else 0
        self.reader = Reader(preset, self.gpt.config.max_positions - n_prompt_tokens, lexicon, bert)
        self.device = self.sovits.ssl_proj.weight.device
        embeddings = [r.speaker_embedding.to(self.device) for r in self.references if r.speaker_embedding is not None]
        with torch.inference_mode():
            spectrograms = [reference.spectrogram.to(self.device) for reference in self.references]
            self.style = self.sovits.mean_style(spectrograms, embeddings or None)  # (1, style_channels, 1)

    @property
    def sample_rate(self) -> int:
        """Return the samples per second of the speech."""
        return self.sovits.config.sample_rate

    @property
    def pause(self) -> np.ndarray:
        """Return the silence between two sentences, (n,) float32."""
        return np.zeros(round(self.preset.pause_seconds * self.sample_rate), np.float32)

    def say(self, text: str, seed: int = 0, language: str | None = None) -> Speech:
        """Speak a text. The same text, seed and language give the same samples.

        Args:
            text: the text.
            seed: another seed gives another reading.
            language: of the text, see gpt_sovits.text.frontend.phonemize. None: the voice's own.

        Raises:
            ValueError: there is nothing to say in the text, it is too long, the language is not known, or the weights
                are broken.
        """
        return self.say_many([text], [seed], language)[0]

    @torch.inference_mode()
    def say_many(self, texts: Sequence[str], seeds: Sequence[int], language: str | None = None) -> list[Speech]:
        """Speak each text with its seed, with the sentences of all texts together in batches.

        The tokens are those of `say` for each text. The samples differ by the rounding of batched sums, at most 1e-4 of
        full scale in float32. The same call gives the same bytes.

        A sentence that fails is spoken again with its next seed, at most preset.max_retries times. If no attempt
        succeeds, the best one is kept and its report names the failure.

        Args:
            texts: the texts.
            seeds: one seed per text.
            language: of all texts. None: the voice's own.

        Returns:
            One Speech per text.

        Raises:
            ValueError: as for `say`. With several texts the message gives the number of the text.
        """
        if len(texts) != len(seeds):
            raise ValueError(f"got {len(seeds)} seeds for {len(texts)} texts; pass one seed per text")
        by_text, text_seconds = [], []
        for number, (text, seed) in enumerate(zip(texts, seeds, strict=True), start=1):
            begin = time.perf_counter()
            try:
                by_text.append(self.sentences(text, seed, language))
            except ValueError as error:
                if len(texts) == 1:
                    raise
                raise ValueError(f"text {number} of {len(texts)}: {error}") from error
            text_seconds.append(time.perf_counter() - begin)
        attempts = iter(self.speak([sentence for sentences in by_text for sentence in sentences]))
        return [
            self._speech([choose_attempt(sentence, next(attempts)) for sentence in sentences], seconds)
            for sentences, seconds in zip(by_text, text_seconds, strict=True)
        ]

    def expected_seconds(self, text: str, language: str | None = None) -> float:
        """Return how long the speaker would take for `text`, by its number of phonemes. None: in the own language."""
        return self.reader.in_language(language).expected_seconds(text)

    def sentences(self, text: str, seed: int, language: str | None = None) -> list[Sentence]:
        """Split a text into one or more sentences, as this voice speaks them. None: in the voice's own language."""
        return self.reader.in_language(language).sentences(text, seed)

    def prompt(self, sentence: Sentence) -> Prompt:
        """Return what the GPT continues for a sentence.

        With preset.prompted these are the phonemes of the reference and of the sentence, and the reference's tokens.
        Otherwise they are the phonemes of the sentence alone.
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

    def outcome(self, sentence: Sentence, candidate: Candidate, waveform: np.ndarray) -> str:
        """Return the outcome of a spoken sentence, one of detection.OUTCOMES.

        Args:
            sentence: the sentence.
            candidate: its tokens.
            waveform: (n,) float32, its sound.
        """
        n_unread = 0
        if self.preset.alignment_head is not None:
            prompt, n_phonemes = self.prompt(sentence), len(sentence.phoneme_ids)
            places = attended_phonemes(self.gpt, prompt, candidate.tokens, self.preset.alignment_head)
            n_unread = longest_unread_run(places - (len(prompt.phoneme_ids) - n_phonemes), n_phonemes)
        ended, expected = candidate.ended_by_itself, sentence.expected_tokens
        return detect_outcome(candidate.tokens.numpy(), ended, expected, waveform, n_unread)

    def noise_generator(self, sentence_seed: int) -> torch.Generator:
        """Return the generator of a sentence's latent noise."""
        return torch.Generator().manual_seed(derive_seed("noise", sentence_seed))

    def speak(self, sentences: Sequence[Sentence]) -> list[list[Attempt]]:
        """Return every attempt at each sentence, in order.

        Each round is one pass of batches over the sentences that have failed so far.
        """
        attempts: list[list[Attempt]] = [[] for _ in sentences]
        pending = list(range(len(sentences)))
        for round_ in range(self.preset.max_retries + 1):
            again = [sentences[i] for i in pending]
            # Generate n_best_of candidates per sentence and keep the one that says the text best
            best = self._best_candidates(again, round_)
            seeds = [sentence.candidate_seed(number) for sentence, (number, _) in zip(again, best, strict=True)]
            # Make the sound of the best candidates only
            waveforms = self._waveforms(again, [candidate for _, candidate in best], seeds)
            for i, (number, candidate), (waveform, seconds) in zip(pending, best, waveforms, strict=True):
                outcome = self.outcome(sentences[i], candidate, waveform)
                attempts[i].append(Attempt(number, candidate, waveform, outcome, seconds))
            pending = [i for i in pending if attempts[i][-1].outcome != "spoken"]
        return attempts

    def _speech(self, sentences: list[SpokenSentence], text_seconds: float) -> Speech:
        timings = sum((sentence.timings for sentence in sentences), Timings(text=text_seconds))
        waveform = join([sentence.waveform for sentence in sentences], self.pause)
        return Speech(waveform, self.sample_rate, tuple(sentence.report for sentence in sentences), timings)

    def _best_candidates(self, sentences: list[Sentence], round_: int) -> list[tuple[int, Candidate]]:
        """Return (number, best candidate) per sentence, with the GPT's time for all candidates of the round.

        The best candidate misreads the fewest phonemes. The first of equals wins.
        """
        phones, n = self.preset.token_phones, self.preset.n_best_of
        numbers = range(round_ * n, (round_ + 1) * n)
        jobs = [(sentence, number) for sentence in sentences for number in numbers]
        generated = self._candidates(
            [sentence for sentence, _ in jobs], [sentence.candidate_seed(number) for sentence, number in jobs]
        )
        best = []
        for sentence, start in zip(sentences, range(0, len(generated), n), strict=True):
            candidates, ids = generated[start : start + n], sentence.phoneme_ids.tolist()
            misread = [count_phone_errors(each.tokens.tolist(), ids, phones) for each in candidates] if n > 1 else [0]
            index = misread.index(min(misread))
            seconds = sum(candidate.gpt_seconds for candidate in candidates)
            best.append((numbers[index], replace(candidates[index], gpt_seconds=seconds)))
        return best

    def _candidates(self, sentences: list[Sentence], seeds: list[int]) -> list[Candidate]:
        """Generate the tokens of each sentence with its seed, in batches."""
        candidates: dict[int, Candidate] = {}
        for batch in length_buckets([sentence.max_tokens for sentence in sentences], self.batch_size):
            begin = time.perf_counter()
            generated = generate(
                self.gpt,
                [self.prompt(sentences[i]) for i in batch],
                [seeds[i] for i in batch],
                self.preset.sampling(),
                max_tokens=max(sentences[i].max_tokens for i in batch),
            )
            shares = _split_seconds(time.perf_counter() - begin, [len(row.tokens) for row in generated])
            for i, row, seconds in zip(batch, generated, shares, strict=True):
                bound = sentences[i].max_tokens  # other sentences of the batch may have a higher bound
                candidates[i] = Candidate(row.tokens[:bound], row.reached_eos and len(row.tokens) < bound, seconds)
        return [candidates[i] for i in range(len(sentences))]

    def _waveforms(
        self, sentences: list[Sentence], candidates: list[Candidate], seeds: list[int]
    ) -> list[tuple[np.ndarray, float]]:
        """Return per sentence its sound, (n_samples,) float32 in [-1, 1], and its share of the seconds."""
        spoken: dict[int, tuple[np.ndarray, float]] = {}
        for batch in length_buckets([len(candidate.tokens) for candidate in candidates], self.decode_batch_size):
            begin = time.perf_counter()
            codes, code_lengths = _pad([candidates[i].tokens for i in batch], self.device)
            phonemes, phoneme_lengths = _pad([sentences[i].phoneme_ids for i in batch], self.device)
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
            samples = waveforms.float().cpu().numpy()
            rows = [limit_peak(row[:n]) for row, n in zip(samples, lengths.tolist(), strict=True)]
            shares = _split_seconds(time.perf_counter() - begin, [len(row) for row in rows])
            spoken |= dict(zip(batch, zip(rows, shares, strict=True), strict=True))
        return [spoken[i] for i in range(len(sentences))]


def choose_attempt(sentence: Sentence, attempts: Sequence[Attempt]) -> SpokenSentence:
    """Return the attempt with the best outcome, the first of equals, and a report about it."""
    best = min(attempts, key=lambda attempt: OUTCOMES.index(attempt.outcome))
    report = SentenceReport(
        text=sentence.text,
        seed=sentence.candidate_seed(best.number),
        n_retries=len(attempts) - 1,
        outcome=best.outcome,
        n_tokens=len(best.candidate.tokens),
        expected_tokens=sentence.expected_tokens,
        ended_by_itself=best.candidate.ended_by_itself,
        n_samples=len(best.waveform),
    )
    gpt_seconds = sum(attempt.candidate.gpt_seconds for attempt in attempts)
    sovits_seconds = sum(attempt.sovits_seconds for attempt in attempts)
    return SpokenSentence(best.waveform, report, Timings(gpt=gpt_seconds, sovits=sovits_seconds), best.candidate.tokens)


def limit_peak(samples: np.ndarray) -> np.ndarray:
    """Make (n,) float32 samples quieter if their peak is above 1.

    Raises:
        ValueError: a sample is NaN or infinite.
    """
    peak = float(np.abs(samples).max(initial=0.0))
    if not np.isfinite(peak):
        raise ValueError("the SoVITS computes NaN or infinite samples: its weights or the reference are broken")
    return samples / max(1.0, peak)


def _pad(rows: list[Tensor], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return (B, longest) int64, padded on the right with 0, and (B,) lengths."""
    padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    return padded.to(device), torch.tensor([len(row) for row in rows], device=device)


def _split_seconds(seconds: float, sizes: list[int]) -> list[float]:
    total = sum(sizes)
    return [seconds * size / total if total else seconds / len(sizes) for size in sizes]

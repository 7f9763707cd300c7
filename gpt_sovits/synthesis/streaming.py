"""Audio while it is made, by sentences or by chunks of a sentence.

    stream            a sentence while its tokens arrive. First audio after about 16 tokens, and without the silence
                      before it. What has been played cannot be spoken again, so a failure is reported and not retried.
    stream_sentences  each sentence when it is complete: what `say` gives, with failed sentences spoken again.

The chunks of a text, joined, are its speech including the pauses.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import torch

from gpt_sovits.gpt.generation import stream_tokens
from gpt_sovits.sovits.streaming import StreamingDecoder
from gpt_sovits.synthesis.chunk_options import ChunkOptions
from gpt_sovits.synthesis.onset import LeadingSilence
from gpt_sovits.synthesis.sentences import Sentence
from gpt_sovits.synthesis.speech import SentenceReport, Timings
from gpt_sovits.synthesis.synthesizer import Attempt, Candidate, Synthesizer, choose_attempt, limit_peak
from gpt_sovits.synthesis.word_times import word_times

StreamedChunk = tuple[np.ndarray, Timings, SentenceReport | None, tuple[torch.Tensor, np.ndarray] | None]


@dataclass(frozen=True)
class AudioChunk:
    """A piece of speech.

    Attributes:
        waveform: (n_samples,) float32 in [-1, 1].
        sentence: index of the sentence it belongs to.
        report: what happened to the sentence, on its last chunk. None on the others.
        timings: seconds of work since the previous chunk.
    """

    waveform: np.ndarray
    sentence: int
    report: SentenceReport | None
    timings: Timings


@torch.inference_mode()
def stream_sentences(
    synthesizer: Synthesizer, text: str, seed: int = 0, language: str | None = None
) -> Iterator[AudioChunk]:
    """Yield the sentences of Synthesizer.say one by one, each followed by its pause.

    The first is spoken alone, then 2, 4, ... together, at most synthesizer.batch_size: early sound first, then
    throughput. The sound equals that of `say` up to rounding.

    Args:
        synthesizer: the voice.
        text: the text.
        seed: seed of the text.
        language: of the text. None: the voice's own.

    Raises:
        ValueError: as for Synthesizer.say. A wrong text is refused before the first chunk.
    """
    begin = time.perf_counter()
    sentences = synthesizer.sentences(text, seed, language)
    text_seconds, done, size = time.perf_counter() - begin, 0, 1
    while done < len(sentences):
        group = sentences[done : done + size]
        for sentence, attempts in zip(group, synthesizer.speak(group), strict=True):
            spoken = choose_attempt(sentence, attempts)
            is_last = done == len(sentences) - 1
            waveform = spoken.waveform if is_last else np.concatenate((spoken.waveform, synthesizer.pause))
            yield AudioChunk(waveform, done, spoken.report, spoken.timings + Timings(text=text_seconds))
            done, text_seconds = done + 1, 0.0
        size = min(2 * size, synthesizer.batch_size)


@torch.inference_mode()
def stream(
    synthesizer: Synthesizer,
    text: str,
    seed: int = 0,
    options: ChunkOptions | None = None,
    language: str | None = None,
    *,
    with_words: bool = False,
) -> Iterator[AudioChunk]:
    """Yield the speech of a text in chunks, while its semantic tokens arrive.

    The same call gives the same samples. Tokens and latent noise are those of Synthesizer.say with a preset that has
    neither retries nor more than one candidate per sentence. A chunk cannot know the tokens after it, which `say` does:

    - If prior_lookahead covers a sentence and render_lookahead is None, the samples are those of `say` up to rounding.
    - Otherwise they differ from those of `say` like two candidates of a sentence do, but not in length.
    - The silence before the first sound of the text is left out but for options.kept_silence. Pauses are not.

    Closing the iterator stops the work.

    Args:
        synthesizer: the voice.
        text: the text.
        seed: seed of the text.
        options: how sentences are cut into chunks.
        language: of the text. None: the voice's own.
        with_words: whether the reports tell when words are said.

    Raises:
        ValueError: as for Synthesizer.say. A wrong text is refused before the first chunk. Or `with_words` is asked of
            a voice that cannot tell.
    """
    options = options or ChunkOptions()
    begin = time.perf_counter()
    sentences = synthesizer.sentences(text, seed, language)
    text_seconds, waits = time.perf_counter() - begin, _waits(options)
    for index, sentence in enumerate(sentences):
        pause = synthesizer.pause if index + 1 < len(sentences) else synthesizer.pause[:0]
        lead = None if index else _leading_silence(synthesizer, options)
        with closing(_stream_sentence(synthesizer, sentence, waits, options, lead)) as chunks:
            for waveform, timings, report, spoken in chunks:
                if report is not None:
                    if with_words and spoken is not None:
                        n_cut = report.n_left_out
                        found = word_times(synthesizer, sentence, *spoken, language=language, n_left_out=n_cut)
                        report = replace(report, words=found)
                    waveform = np.concatenate((waveform, pause))
                yield AudioChunk(waveform, index, report, timings + Timings(text=text_seconds))
                text_seconds = 0.0


def _waits(options: ChunkOptions) -> Iterator[int]:
    """Yield how many tokens each chunk waits for, endlessly."""
    yield options.first_tokens
    n = float(min(options.second_tokens, options.max_tokens))
    while True:
        yield round(n)
        n = min(n * options.growth, options.max_tokens)


def _leading_silence(synthesizer: Synthesizer, options: ChunkOptions) -> LeadingSilence | None:
    if options.kept_silence is None:
        return None
    return LeadingSilence(
        synthesizer.sample_rate,
        bound_dbfs=options.silent_dbfs,
        kept_seconds=options.kept_silence,
        first_seconds=options.first_seconds,
    )


def _stream_sentence(
    synthesizer: Synthesizer,
    sentence: Sentence,
    waits: Iterator[int],
    options: ChunkOptions,
    lead: LeadingSilence | None,
) -> Generator[StreamedChunk, None, None]:
    """Yield the chunks of one sentence, (n,) float32 each, the last one with the report, the tokens and all sound."""
    decoder = _decoder(synthesizer, sentence, options)
    sounds: list[np.ndarray] = []
    tokens: list[int] = []
    total = since_last = Timings()
    n_pushed, wanted = 0, next(waits)

    def push(final: bool) -> np.ndarray:
        sound = decoder.push(torch.tensor(tokens[n_pushed:], dtype=torch.int64, device=synthesizer.device), final=final)
        sound = limit_peak(sound.float().cpu().numpy())
        return sound if lead is None else lead.push(sound, final=final)

    begin = time.perf_counter()
    arriving = stream_tokens(
        synthesizer.gpt,
        synthesizer.prompt(sentence),
        sentence.seed,
        synthesizer.preset.sampling(),
        max_tokens=sentence.max_tokens,
    )
    with closing(arriving):
        final = False
        while not final:
            fresh = list(islice(arriving, wanted))
            tokens += fresh
            final = len(fresh) < wanted
            middle = time.perf_counter()
            sound = push(final)
            n_pushed, end = len(tokens), time.perf_counter()
            since_last += Timings(gpt=middle - begin, sovits=end - middle)
            if len(sound) and not final:
                sounds.append(sound)
                total += since_last
                yield sound, since_last, None, None
                since_last, wanted = Timings(), next(waits)
            elif not final:  # nothing to play yet
                wanted = options.more_tokens
            begin = time.perf_counter()  # the time that the caller takes in between is not work
    sounds.append(sound)
    total += since_last
    ended = len(tokens) < sentence.max_tokens
    waveform = np.concatenate(sounds)
    candidate = Candidate(torch.tensor(tokens), ended, total.gpt)
    outcome = synthesizer.outcome(sentence, candidate, waveform)
    report = choose_attempt(sentence, [Attempt(0, candidate, waveform, outcome, total.sovits)]).report
    report = replace(report, n_left_out=lead.n_left_out if lead else 0)
    yield sound, since_last, report, (candidate.tokens, waveform)


def _decoder(synthesizer: Synthesizer, sentence: Sentence, options: ChunkOptions) -> StreamingDecoder:
    return StreamingDecoder(
        synthesizer.sovits,
        sentence.phoneme_ids[None].to(synthesizer.device),
        synthesizer.style,
        speed=synthesizer.preset.speed,
        noise_scale=synthesizer.preset.noise_scale,
        generator=synthesizer.noise_generator(sentence.seed),
        prior_lookahead=options.prior_lookahead,
        blend_frames=options.blend_frames,
        render_lookahead=options.render_lookahead,
        crossfade_frames=options.crossfade_frames,
    )

"""Audio while it is made, by sentences or by chunks of a sentence.

    stream_sentences   each sentence when it is whole: what `say` gives, failed sentences spoken again
    stream_chunks      a sentence while its tokens arrive: first audio after some 12 tokens; what has sounded cannot be
                       spoken again, so a failure is told and not retried

The chunks of a text, end to end, are its speech, pauses included.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch

from gpt_sovits.gpt.generation import stream_tokens
from gpt_sovits.sovits.streaming import StreamingDecoder
from gpt_sovits.synthesis.sentences import Sentence
from gpt_sovits.synthesis.speech import SentenceReport, Timings
from gpt_sovits.synthesis.synthesizer import Attempt, Synthesizer, Tokens, judged, limited


@dataclass(frozen=True)
class AudioChunk:
    """A piece of speech.

    waveform: (n_samples,) float32 in [-1, 1]; sentence: index of the sentence it belongs to
    report: with the last chunk of a sentence, else None; timings: of the work since the chunk before
    """

    waveform: np.ndarray
    sentence: int
    report: SentenceReport | None
    timings: Timings


@dataclass(frozen=True)
class ChunkOptions:
    """How a sentence is cut into chunks. The defaults make the first one come early and the later ones cheap.

    first_tokens: semantic tokens (40 ms each) that the first chunk of a text waits for
    growth: each later chunk waits for so many times the tokens of the one before: what was sent plays meanwhile
    max_tokens: that a chunk waits for at most
    prior_lookahead, blend_frames, render_lookahead, crossfade_frames: frames of 20 ms, see
        gpt_sovits.sovits.streaming.StreamingDecoder: how much later a frame sounds than its token came, and how its
        neighbours are joined. render_lookahead None makes seams exact, and the first audio half a second later
    Raises ValueError for a number that makes no sense.
    """

    first_tokens: int = 12
    growth: float = 1.5
    max_tokens: int = 75
    prior_lookahead: int = 8
    blend_frames: int = 4
    render_lookahead: int | None = 6
    crossfade_frames: int = 2

    def __post_init__(self) -> None:
        if not 1 <= self.first_tokens <= self.max_tokens:
            raise ValueError(
                f"first_tokens ({self.first_tokens}) must be at least 1 and at most max_tokens ({self.max_tokens})"
            )
        if not self.growth >= 1:
            raise ValueError(f"growth must be at least 1, not {self.growth}; 1 makes all chunks alike")


@torch.inference_mode()
def stream_sentences(synthesizer: Synthesizer, text: str, seed: int = 0) -> Iterator[AudioChunk]:
    """The sentences of Synthesizer.say one by one, each followed by its pause; equal to it up to rounding.

    The first is spoken alone, then 2, 4, ... together, at most synthesizer.batch_size: early sound, then throughput.
    Raises ValueError as Synthesizer.say does, before the first chunk where the text is at fault.
    """
    begin = time.perf_counter()
    sentences = synthesizer.sentences(text, seed)
    text_seconds, done, size = time.perf_counter() - begin, 0, 1
    while done < len(sentences):
        group = sentences[done : done + size]
        for sentence, attempts in zip(group, synthesizer.speak(group), strict=True):
            one = judged(sentence, attempts)
            is_last = done == len(sentences) - 1
            waveform = one.waveform if is_last else np.concatenate((one.waveform, synthesizer.pause))
            yield AudioChunk(waveform, done, one.report, one.timings + Timings(text=text_seconds))
            done, text_seconds = done + 1, 0.0
        size = min(2 * size, synthesizer.batch_size)


@torch.inference_mode()
def stream_chunks(
    synthesizer: Synthesizer, text: str, seed: int = 0, options: ChunkOptions | None = None
) -> Iterator[AudioChunk]:
    """The speech of a text in chunks, while its semantic tokens arrive. The same call gives the same samples.

    The tokens and the latent noise are those of Synthesizer.say where it speaks one take and does not retry. A chunk
    cannot know the tokens after it, which `say` does: where prior_lookahead covers a sentence and render_lookahead is
    None they are equal up to rounding; with less they differ as two takes of a sentence do, never in length.
    The iterator may be closed at any time, which stops the work. Raises ValueError as Synthesizer.say does.
    """
    options = options or ChunkOptions()
    begin = time.perf_counter()
    sentences = synthesizer.sentences(text, seed)
    text_seconds, waits = time.perf_counter() - begin, _waits(options)
    for index, sentence in enumerate(sentences):
        pause = synthesizer.pause if index + 1 < len(sentences) else synthesizer.pause[:0]
        with closing(_chunks_of(synthesizer, sentence, waits, options)) as chunks:
            for waveform, timings, report in chunks:
                if report is not None:
                    waveform = np.concatenate((waveform, pause))
                yield AudioChunk(waveform, index, report, timings + Timings(text=text_seconds))
                text_seconds = 0.0


def _waits(options: ChunkOptions) -> Iterator[int]:
    """How many tokens each chunk waits for, endlessly."""
    n = float(options.first_tokens)
    while True:
        yield round(n)
        n = min(n * options.growth, options.max_tokens)


def _chunks_of(
    synthesizer: Synthesizer, sentence: Sentence, waits: Iterator[int], options: ChunkOptions
) -> Generator[tuple[np.ndarray, Timings, SentenceReport | None], None, None]:
    """The chunks of one sentence, (n,) float32 each, the last one with the report."""
    preset, device = synthesizer.preset, synthesizer.device
    decoder = StreamingDecoder(
        synthesizer.sovits,
        sentence.phoneme_ids[None].to(device),
        synthesizer.style,
        speed=preset.speed,
        noise_scale=preset.noise_scale,
        generator=synthesizer.noise_generator(sentence.seed),
        prior_lookahead=options.prior_lookahead,
        blend_frames=options.blend_frames,
        render_lookahead=options.render_lookahead,
        crossfade_frames=options.crossfade_frames,
    )
    sounds: list[np.ndarray] = []
    tokens: list[int] = []
    total = since_last = Timings()
    n_pushed, wanted = 0, next(waits)

    def push(final: bool) -> np.ndarray:
        sound = decoder.push(torch.tensor(tokens[n_pushed:], dtype=torch.int64, device=device), final=final)
        return limited(sound.float().cpu().numpy())

    begin = time.perf_counter()
    arriving = stream_tokens(
        synthesizer.gpt,
        synthesizer.prompt(sentence),
        sentence.seed,
        preset.sampling(),
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
                yield sound, since_last, None
                since_last, wanted = Timings(), next(waits)
            begin = time.perf_counter()  # what the listener takes in between is not ours
    sounds.append(sound)
    total += since_last
    ended = len(tokens) < sentence.max_tokens
    waveform = np.concatenate(sounds)
    made = Tokens(torch.tensor(tokens), ended, total.gpt)
    outcome = synthesizer.outcome(sentence, made, waveform)
    yield sound, since_last, judged(sentence, [Attempt(0, made, waveform, outcome, total.sovits)]).report

"""Long recordings of which every word and its time is known, under noise, for benchmarks/data_truth.py.

Each sentence is aligned on its own, clean and with its right text. The sentences are then joined with pauses, round
after round in a new order, until the recording is long enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.joined_recordings import NOISES, PAUSE_SECONDS, PEAK, noise_of
from benchmarks.nonspeech import SAMPLE_RATE
from benchmarks.timed_sentences import TimedSentence, TimedToken

NOISE_SECONDS = 60.0  # each kind of noise lasts that long, then comes the next

Generator = np.random.Generator


@dataclass(frozen=True)
class TrueRecording:
    """Sentences one after the other.

    Attributes:
        sentences: the tokens of each, in order and in seconds from the start of the recording.
        waveform: (n,) float32 at SAMPLE_RATE, with noise where there is some.
    """

    sentences: tuple[tuple[TimedToken, ...], ...]
    waveform: np.ndarray


def true_recording(
    sentences: Sequence[TimedSentence], minutes: float, snr: float | None, random: Generator
) -> TrueRecording:
    """Return a recording of some minutes.

    Args:
        sentences: what is said, in the order of the first round. The later rounds have a random order.
        minutes: length from which no sentence is added.
        snr: level of the speech over the noise in dB, or None for no noise.
        random: source of the orders, the pauses and the noise.
    """
    parts: list[np.ndarray] = []
    joined: list[tuple[TimedToken, ...]] = []
    power, n_speech, n = 0.0, 0, 0
    order = np.arange(len(sentences))
    while n < minutes * 60 * SAMPLE_RATE:
        for sentence in (sentences[index] for index in order):
            joined.append(tuple(token.later(n / SAMPLE_RATE) for token in sentence.tokens))
            pause = np.zeros(round(random.uniform(*PAUSE_SECONDS) * SAMPLE_RATE), np.float32)
            parts += [sentence.waveform, pause]
            power += float(np.square(sentence.waveform, dtype=np.float64).sum())
            n_speech += len(sentence.waveform)
            n += len(sentence.waveform) + len(pause)
            if n >= minutes * 60 * SAMPLE_RATE:
                break
        order = random.permutation(len(sentences))
    waveform = np.concatenate(parts)
    if snr is not None:
        waveform = waveform + _noise(n, sentences, random) * np.sqrt(power / n_speech) * 10 ** (-snr / 20)
    return TrueRecording(tuple(joined), (waveform * min(1.0, PEAK / np.abs(waveform).max())).astype(np.float32))


def _noise(n: int, sentences: Sequence[TimedSentence], random: Generator) -> np.ndarray:
    """Return (n,) float64 of all kinds of noise in turn, with an RMS of 1."""
    length = round(NOISE_SECONDS * SAMPLE_RATE)
    talk = [sentence.waveform for sentence in sentences]
    noise = np.empty(n)
    for number, first in enumerate(range(0, n, length)):
        part = noise_of(NOISES[number % len(NOISES)], min(length, n - first), talk, random)
        noise[first : first + len(part)] = part / np.sqrt(np.mean(part**2))
    return noise

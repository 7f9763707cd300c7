"""Recordings of several sentences each with known words, under noise: what a long recording of a voice looks like.

The true words of any stretch are known, because each sentence is aligned on its own with its right text before the
sentences are joined and before noise is added.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from benchmarks.nonspeech import SAMPLE_RATE, speech_shaped_noise, white_noise
from benchmarks.timed_sentences import load_timed_sentences

PAUSE_SECONDS = (0.35, 0.9)  # between two sentences
N_TALKERS = 6  # of babble
PEAK = 0.9

Generator = np.random.Generator


@dataclass(frozen=True)
class Sentence:
    """A recorded sentence.

    Attributes:
        text: what is said, as written.
        waveform: (n,) float32 at SAMPLE_RATE.
        tokens: (piece of the text between spaces, time in seconds at the middle of its first word).
    """

    text: str
    waveform: np.ndarray
    tokens: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class JoinedRecording:
    """Several sentences one after the other, without noise.

    Attributes:
        sentences: the tokens of each, in order.
        waveform: (n,) float32 at SAMPLE_RATE.
        tokens: as those of Sentence, in seconds from the start of the recording.
        is_speech: (n,) bool, false in the pauses that were put in.
    """

    sentences: tuple[tuple[str, ...], ...]
    waveform: np.ndarray
    tokens: tuple[tuple[str, float], ...]
    is_speech: np.ndarray

    def text_between(self, start: float, end: float) -> str:
        """Return what is said from `start` to `end`, in seconds."""
        return " ".join(token for token, time in self.tokens if start <= time < end)


def load_sentences(folder: Path) -> list[Sentence]:
    """Load the recordings of a folder, see `load_timed_sentences`."""
    return [
        Sentence(one.text, one.waveform, tuple((token.written, token.middle) for token in one.tokens))
        for one in load_timed_sentences(folder)
    ]


def join(sentences: Sequence[Sentence], random: Generator) -> JoinedRecording:
    """Join sentences with pauses between them."""
    parts: list[np.ndarray] = []
    is_speech: list[np.ndarray] = []
    tokens: list[tuple[str, float]] = []
    n = 0
    for sentence in sentences:
        tokens += [(token, time + n / SAMPLE_RATE) for token, time in sentence.tokens]
        pause = round(random.uniform(*PAUSE_SECONDS) * SAMPLE_RATE)
        parts += [sentence.waveform, np.zeros(pause, np.float32)]
        is_speech += [np.ones(len(sentence.waveform), bool), np.zeros(pause, bool)]
        n += len(sentence.waveform) + pause
    texts = tuple(tuple(token for token, _ in sentence.tokens) for sentence in sentences)
    return JoinedRecording(texts, np.concatenate(parts), tuple(tokens), np.concatenate(is_speech))


def babble(n: int, sentences: Sequence[np.ndarray], random: Generator) -> np.ndarray:
    """Return (n,) float64 of several sentences at once, played backwards, so that it has no words."""
    total = np.zeros(n)
    for _ in range(N_TALKERS):
        order = random.permutation(len(sentences))
        talk = np.concatenate([sentences[index][::-1] for index in islice(cycle(order), len(order) + 1)])
        total += np.resize(np.roll(talk, int(random.integers(len(talk)))), n)
    return total


def noise_of(kind: str, n: int, sentences: Sequence[np.ndarray], random: Generator) -> np.ndarray:
    """Return (n,) float64 of one of NOISES, at any level.

    Args:
        kind: one of NOISES.
        n: samples at SAMPLE_RATE.
        sentences: (n,) each, what babble is made of.
        random: source of the noise.
    """
    if kind == "babble":
        return babble(n, sentences, random)
    return {"white": white_noise, "speech-shaped": speech_shaped_noise}[kind](n, random)


def add_noise(
    recording: JoinedRecording, kind: str, snr: float, sentences: Sequence[Sentence], random: Generator
) -> np.ndarray:
    """Return the recording with noise, (n,) float32 at SAMPLE_RATE.

    Args:
        recording: the clean recording.
        kind: one of NOISES.
        snr: level of the speech over the noise in dB. The pauses do not count as speech.
        sentences: what babble is made of.
        random: source of the noise.
    """
    noise = noise_of(kind, len(recording.waveform), [sentence.waveform for sentence in sentences], random)
    level = np.sqrt(np.mean(np.square(recording.waveform[recording.is_speech], dtype=np.float64)))
    noise *= level * 10 ** (-snr / 20) / np.sqrt(np.mean(noise**2))
    noisy = recording.waveform + noise
    return (noisy * min(1.0, PEAK / np.abs(noisy).max())).astype(np.float32)


NOISES = ("white", "speech-shaped", "babble")

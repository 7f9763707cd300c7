"""Long recordings of which every word and its time is known, under noise, for benchmarks/data_truth.py.

Each sentence is aligned on its own, clean and with its right text. The sentences are then joined with pauses, round
after round in a new order, until the recording is long enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.joined_recordings import NOISES, PAUSE_SECONDS, PEAK, noise_of
from benchmarks.nonspeech import SAMPLE_RATE
from gpt_sovits.audio import load_audio, to_mono
from metrics.audio import to_rate
from stages.alignment.matching import WordTime, split_tokens
from stages.alignment.transcribe import spoken_words, word_times

NOISE_SECONDS = 60.0  # each kind of noise lasts that long, then comes the next

Generator = np.random.Generator


@dataclass(frozen=True)
class TimedToken:
    """A piece of a text between spaces, with the spoken words in it and their times in seconds."""

    written: str
    words: tuple[WordTime, ...]

    @property
    def start(self) -> float:
        """Return when its first word starts."""
        return self.words[0][1]

    @property
    def end(self) -> float:
        """Return when its last word ends."""
        return self.words[-1][2]

    @property
    def middle(self) -> float:
        """Return the middle of its first word. A clip that has this time has the token."""
        return (self.words[0][1] + self.words[0][2]) / 2

    def later(self, seconds: float) -> TimedToken:
        """Return the token `seconds` later."""
        return TimedToken(self.written, tuple((word, a + seconds, b + seconds) for word, a, b in self.words))


@dataclass(frozen=True)
class TimedSentence:
    """A recorded sentence: (n,) float32 at SAMPLE_RATE, and its tokens."""

    waveform: np.ndarray
    tokens: tuple[TimedToken, ...]


@dataclass(frozen=True)
class TrueRecording:
    """Sentences one after the other.

    Attributes:
        sentences: the tokens of each, in order and in seconds from the start of the recording.
        waveform: (n,) float32 at SAMPLE_RATE, with noise where there is some.
    """

    sentences: tuple[tuple[TimedToken, ...], ...]
    waveform: np.ndarray


def load_timed_sentences(folder: Path) -> list[TimedSentence]:
    """Load the recordings of a folder with metadata.csv (id, text, normalised text) and wavs/, in order.

    A recording that forced alignment refuses is left out, because its true word times are unknown.
    """
    sentences = []
    for line in (folder / "metadata.csv").read_text(encoding="utf-8").splitlines():
        name, text, _ = line.split("|")
        path = next((folder / "wavs").glob(f"{name}.*"))
        words = spoken_words(text, "en")
        times = word_times([path], words)
        if not times:
            continue
        tokens, position = [], 0
        for token in split_tokens(text, words, lambda token: spoken_words(token, "en")):
            tokens.append(TimedToken(token.written, tuple(times[position : position + len(token.spoken)])))
            position += len(token.spoken)
        samples, sample_rate = load_audio(path)
        sentences.append(TimedSentence(to_rate(to_mono(samples), sample_rate, SAMPLE_RATE), tuple(tokens)))
    return sentences


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

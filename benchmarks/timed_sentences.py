"""Recorded sentences with the time of every word, each aligned on its own, clean and with its right text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.nonspeech import SAMPLE_RATE
from gpt_sovits.audio import load_audio, to_mono
from gpt_sovits.text.english.phonemes import pronounce
from metrics.audio import to_rate
from metrics.errors import AlignmentError
from metrics.forced_alignment import force_align
from stages.alignment.matching import WordTime, split_tokens
from stages.alignment.transcribe import spoken_words

SILENCE_SECONDS = 0.5  # before and after a sentence that is timed


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

    @property
    def text(self) -> str:
        """Return what is said, as written."""
        return " ".join(token.written for token in self.tokens)


def load_timed_sentences(folder: Path) -> list[TimedSentence]:
    """Load the recordings of a folder with metadata.csv (id, text, normalised text) and wavs/, in order.

    A recording that forced alignment refuses is left out, because its true word times are unknown.
    """
    sentences = []
    for line in (folder / "metadata.csv").read_text(encoding="utf-8").splitlines():
        name, text, _ = line.split("|")
        path = next((folder / "wavs").glob(f"{name}.*"))
        words = spoken_words(text, "en")
        samples, sample_rate = load_audio(path)
        waveform = to_rate(to_mono(samples), sample_rate, SAMPLE_RATE)
        times = _word_times(waveform, words)
        if not times:
            continue
        tokens, position = [], 0
        for token in split_tokens(text, words, lambda token: spoken_words(token, "en")):
            tokens.append(TimedToken(token.written, tuple(times[position : position + len(token.spoken)])))
            position += len(token.spoken)
        sentences.append(TimedSentence(waveform, tuple(tokens)))
    return sentences


def _word_times(waveform: np.ndarray, words: Sequence[str]) -> list[WordTime]:
    """Return the time of each word of a clean sentence, or nothing where the words do not fit.

    The sentence gets silence at both ends. A recording that is cut tightly has no place for a pause, so its last word
    would last until the end of the file, a tenth of a second after its sound has faded away.
    """
    silence = np.zeros(round(SILENCE_SECONDS * SAMPLE_RATE), np.float32)
    try:
        aligned = force_align(np.concatenate([silence, waveform, silence]), SAMPLE_RATE, words, pronounce)
    except AlignmentError:
        return []
    seconds = len(waveform) / SAMPLE_RATE

    def in_sentence(time: float) -> float:
        return min(max(time - SILENCE_SECONDS, 0.0), seconds)

    return [(word.word, in_sentence(word.start), in_sentence(word.end)) for word in aligned]

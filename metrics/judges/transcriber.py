"""The interface of the ASR judges, and what each of them does before it listens."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from metrics.audio import checked_waveform, is_silent, to_rate
from metrics.forced_alignment import AlignedWord
from metrics.pocketsphinx_decoder import SAMPLE_RATE

NOTHING_AUDIBLE = "it is silent, or shorter than 0.1 s"
MIN_SECONDS = 0.1  # no word is shorter, and each recogniser fails on less in a different way


class Transcription(NamedTuple):
    """What a judge heard.

    Attributes:
        text: the words, not normalised, or an empty text.
        no_words_because: why there is no word, where the judge can tell. Empty where there are words.
    """

    text: str
    no_words_because: str = ""


class Transcriber(Protocol):
    """A speech recogniser as a judge.

    Invariant: the same audio gives the same text, whatever the judge heard before.

    Attributes:
        name: name of the judge.
        version: package, weights and way of decoding. Scores of different versions are not compared.
        languages: ISO 639 codes of the languages that it can hear.
    """

    name: str
    version: str
    languages: tuple[str, ...]

    def transcribe(self, waveform: np.ndarray, sample_rate: int, language: str) -> str:
        """Return the words heard, not normalised.

        Args:
            waveform: (n,) float32 in [-1, 1].
            sample_rate: in Hz.
            language: ISO 639 code. The speech is taken to be in that language.

        Returns:
            The words, or an empty text for silence and for less than MIN_SECONDS.

        Raises:
            ValueError: the waveform has another shape, NaN or infinity, or the judge cannot hear the language.
        """
        ...

    def listen(self, waveform: np.ndarray, sample_rate: int, language: str) -> Transcription:
        """Return what `transcribe` returns and, where that is empty, why. It has the same arguments."""
        ...

    def align_words(
        self, waveform: np.ndarray, sample_rate: int, words: Sequence[str], language: str
    ) -> list[AlignedWord]:
        """Find when each word of a known text is spoken, and how probable it is in this audio.

        A wrong text is aligned too. Its words are improbable.

        Args:
            waveform: (n,) float32 in [-1, 1], of at most 30 s.
            sample_rate: in Hz.
            words: what is spoken, as it is written. Words in English and Korean. Characters in Chinese, Cantonese and
                Japanese, among which a Latin word or a number is one entry. Punctuation belongs to the entry before it.
            language: ISO 639 code.

        Returns:
            One AlignedWord per word, in order.

        Raises:
            AlignmentError: the audio is silent or too long, or the text is empty or too long.
            ValueError: the judge cannot hear the language, or cannot align.
        """
        ...

    def spoken_language(self, waveform: np.ndarray, sample_rate: int) -> str | None:
        """Return the ISO 639 code of the likeliest language.

        Returns:
            The code, or None where nothing is heard or where the judge cannot tell languages apart.
        """
        ...


def audible_waveform(waveform: np.ndarray, sample_rate: int) -> np.ndarray | None:
    """Return (n,) float32 at 16 kHz, or None where there is nothing to hear.

    Without this, Whisper would invent words for silence.
    """
    waveform = checked_waveform(waveform, sample_rate)
    if len(waveform) < MIN_SECONDS * sample_rate or is_silent(waveform):
        return None
    return to_rate(waveform, sample_rate, SAMPLE_RATE)


def check_language(judge: Transcriber, language: str) -> None:
    """Raise ValueError where a judge cannot hear a language."""
    if language not in judge.languages:
        raise ValueError(
            f"judge {judge.name} cannot hear language {language!r}; it can hear {', '.join(judge.languages[:8])}"
            f"{' and more' if len(judge.languages) > 8 else ''}; use a profile whose ASR does (stages/profiles.py)"
        )


def weights_sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

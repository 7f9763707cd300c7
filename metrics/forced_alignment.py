"""When each word of a known text is spoken: forced alignment by pocketsphinx, offline, at about 0.02 of real time."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metrics.audio import checked_waveform, is_silent, to_int16, to_rate
from metrics.errors import AlignmentError
from metrics.pocketsphinx_decoder import SAMPLE_RATE, new_decoder

if TYPE_CHECKING:
    from pocketsphinx import Decoder

FRAMES_PER_SECOND = 100  # pocketsphinx's frate


@dataclass(frozen=True)
class AlignedWord:
    """A word as it was given, and when it is spoken.

    Attributes:
        word: the word.
        start: in seconds, in steps of 10 ms (pocketsphinx) or less (Whisper).
        end: in seconds.
        probability: of the word, given the audio and the words before it, 0 to 1. None where the aligner has none.
    """

    word: str
    start: float
    end: float
    probability: float | None = None


def force_align(
    waveform: np.ndarray, sample_rate: int, words: Sequence[str], pronounce: Callable[[str], list[str]]
) -> list[AlignedWord]:
    """Find when each word is spoken.

    A wrong text of the right length may still be aligned. Whether the text is what was said is for an ASR judge to
    decide.

    Args:
        waveform: (n,) float32 in [-1, 1].
        sample_rate: in Hz.
        words: what is spoken.
        pronounce: returns the ARPAbet symbols of a word, with or without stress digits. It is called for words that
            the dictionary does not have, and for words in capitals, which may be spelled out ("US" is not "us").

    Returns:
        One AlignedWord per word, in order. There may be pauses between them.

    Raises:
        AlignmentError: the text does not fit the audio, or a word has no pronunciation.
    """
    waveform = checked_waveform(waveform, sample_rate)
    seconds = len(waveform) / sample_rate
    if not words:
        raise AlignmentError("no words to align; the text must have at least one")
    if is_silent(waveform):
        raise AlignmentError(f"nothing to align {len(words)} words on: {seconds:.2f} s of silence")
    decoder = new_decoder(with_language_model=False)
    tokens = _dictionary_names(decoder, words, pronounce)
    decoder.set_align_text(" ".join(tokens))
    decoder.start_utt()
    decoder.process_raw(to_int16(to_rate(waveform, sample_rate, SAMPLE_RATE)), full_utt=True)
    decoder.end_utt()
    # alternatives come as "the(2)", pauses and noises as <sil> or [NOISE]
    spoken = [s for s in decoder.seg() or [] if not s.word.startswith(("<", "["))]
    if [re.sub(r"\(\d+\)$", "", s.word) for s in spoken] != tokens:
        text = " ".join(words)
        text = text if len(text) < 80 else text[:77] + "..."
        raise AlignmentError(
            f"{len(words)} words do not fit {seconds:.2f} s of audio: {text!r}; "
            "check that it is exactly what is spoken there"
        )
    return [
        AlignedWord(
            word,
            min(segment.start_frame / FRAMES_PER_SECOND, seconds),
            min((segment.end_frame + 1) / FRAMES_PER_SECOND, seconds),
        )
        for word, segment in zip(words, spoken, strict=True)
    ]


def _dictionary_names(decoder: Decoder, words: Sequence[str], pronounce: Callable[[str], list[str]]) -> list[str]:
    """Return the dictionary's name of each word. Missing words are added under names that no word has."""
    added: dict[str, str] = {}
    tokens = []
    for word in words:
        in_capitals = len(word) > 1 and word.isupper()
        if not in_capitals and re.fullmatch(r"[a-z']+", word.lower()) and decoder.lookup_word(word.lower()) is not None:
            tokens.append(word.lower())
            continue
        if word not in added:
            added[word] = f"added-{len(added)}"
            _add_word(decoder, added[word], word, pronounce)
        tokens.append(added[word])
    return tokens


def _add_word(decoder: Decoder, token: str, word: str, pronounce: Callable[[str], list[str]]) -> None:
    try:
        phones = [symbol.rstrip("012") for symbol in pronounce(word)]
    except ValueError as error:
        raise AlignmentError(f"word {word!r} has no pronunciation: {error}") from error
    if not phones:
        raise AlignmentError(f"word {word!r} has no pronunciation; leave it out of the words")
    try:
        decoder.add_word(token, " ".join(phones), True)
    except RuntimeError as error:
        raise AlignmentError(
            f"word {word!r} has the pronunciation {' '.join(phones)}, which is not all ARPAbet; correct pronounce()"
        ) from error

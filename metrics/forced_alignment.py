"""When each word of a known text is spoken: forced alignment by pocketsphinx, offline, at about 0.02 of real time."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from metrics.audio import checked_waveform, is_silent, to_int16, to_rate
from metrics.errors import AlignmentError
from metrics.pocketsphinx_decoder import SAMPLE_RATE, new_decoder

if TYPE_CHECKING:
    from pocketsphinx import Segment

FRAMES_PER_SECOND = 100  # pocketsphinx's frate
# Tried in this order. pocketsphinx's own 0.005 gives the best times, but in noise it often keeps the aligner from the
# end of the text. With 0.5, a text fits that does not fit otherwise
SILENCE_PROBABILITIES = (None, 0.5)


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
    samples = to_int16(to_rate(waveform, sample_rate, SAMPLE_RATE))
    spoken = None
    for silence_probability in SILENCE_PROBABILITIES:
        with _aligner(silence_probability) as aligner:
            spoken = aligner.align(samples, words, pronounce)
        if spoken is not None:
            break
    if spoken is None:
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


class _Aligner:
    """A decoder that aligns one text after the other. Loading it takes longer than aligning a sentence.

    Invariant: a result does not depend on what was aligned before. The feature extraction, which keeps a running
    cepstral mean, starts anew with each utterance, and every word that is not in the dictionary has a name of its own.
    """

    def __init__(self, silence_probability: float | None) -> None:
        self._decoder = new_decoder(with_language_model=False, silence_probability=silence_probability)
        self._added: dict[str, str] = {}  # phones: name in the dictionary
        self._lock = threading.Lock()

    def __enter__(self) -> _Aligner:
        self._lock.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def align(
        self, samples: np.ndarray, words: Sequence[str], pronounce: Callable[[str], list[str]]
    ) -> list[Segment] | None:
        """Return the segment of each word, or None where the words do not fit the audio."""
        names = [self._dictionary_name(word, pronounce) for word in words]
        self._decoder.reinit_feat()
        self._decoder.set_align_text(" ".join(names))
        self._decoder.start_utt()
        self._decoder.process_raw(samples, full_utt=True)
        self._decoder.end_utt()
        # alternatives come as "the(2)", pauses and noises as <sil> or [NOISE]
        spoken = [s for s in self._decoder.seg() or [] if not s.word.startswith(("<", "["))]
        return spoken if [re.sub(r"\(\d+\)$", "", s.word) for s in spoken] == names else None

    def _dictionary_name(self, word: str, pronounce: Callable[[str], list[str]]) -> str:
        """Return the dictionary's name of a word. A missing word is added under a name that no word has."""
        in_capitals = len(word) > 1 and word.isupper()
        is_plain = not in_capitals and re.fullmatch(r"[a-z']+", word.lower())
        if is_plain and self._decoder.lookup_word(word.lower()) is not None:
            return word.lower()
        phones = _phones(word, pronounce)
        if phones not in self._added:
            name = f"added-{len(self._added)}"
            try:
                self._decoder.add_word(name, phones, True)
            except RuntimeError as error:
                raise AlignmentError(
                    f"word {word!r} has the pronunciation {phones}, which is not all ARPAbet; correct pronounce()"
                ) from error
            self._added[phones] = name
        return self._added[phones]


_aligner = cache(_Aligner)  # one per process and setting


def _phones(word: str, pronounce: Callable[[str], list[str]]) -> str:
    try:
        phones = [symbol.rstrip("012") for symbol in pronounce(word)]
    except ValueError as error:
        raise AlignmentError(f"word {word!r} has no pronunciation: {error}") from error
    if not phones:
        raise AlignmentError(f"word {word!r} has no pronunciation; leave it out of the words")
    return " ".join(phones)

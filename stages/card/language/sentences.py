"""Which kinds of sentences the training clips have: questions, exclamations, long ones, and such with numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from gpt_sovits.text.english.phonemes import NUMBER_WORDS
from stages.tables import AlignedClip

LONG_SECONDS = 7.0
ENOUGH = 10  # a kind that fewer clips have is rare
QUESTION, EXCLAMATION = re.compile("[?？]"), re.compile("[!！]")
ENGLISH_NUMBERS = NUMBER_WORDS - {"oh", "one"} | {"million", "billion"}
HAN_NUMBER = re.compile("[零〇一二兩两三四五六七八九十百千万萬億亿]{2,}|第[一二三四五六七八九十]")


class SentenceKind(NamedTuple):
    """A kind of sentence.

    Attributes:
        name: the kind in the plural.
        meaning: what counts as one.
        n: training clips of this kind.
        share: their share of the training clips, 0 to 1.
    """

    name: str
    meaning: str
    n: int
    share: float

    @property
    def is_rare(self) -> bool:
        """Return whether fewer than ENOUGH clips are of this kind."""
        return self.n < ENOUGH


def sentence_kinds(clips: Iterable[AlignedClip], language: str) -> list[SentenceKind]:
    """Count the kinds of sentences among training clips. A clip may be of several kinds.

    Args:
        clips: the training clips.
        language: ISO 639 code of their texts.
    """
    clips = list(clips)
    kinds = {
        "questions": ("the text has a question mark", lambda clip: QUESTION.search(clip.text)),
        "exclamations": ("the text has an exclamation mark", lambda clip: EXCLAMATION.search(clip.text)),
        "long sentences": (
            f"the clip is {LONG_SECONDS:g} s or longer",
            lambda clip: clip.seconds >= LONG_SECONDS,
        ),
        "sentences with numbers": (
            "the text has a number, in figures or in words",
            lambda clip: has_number(clip.text, language),
        ),
    }
    rows = []
    for name, (meaning, belongs) in kinds.items():
        n = sum(bool(belongs(clip)) for clip in clips)
        rows.append(SentenceKind(name, meaning, n, n / len(clips) if clips else 0.0))
    return rows


def has_number(text: str, language: str) -> bool:
    """Return whether a text has a number: digits, an English number word except one, or two Chinese numerals."""
    if any(character.isdigit() for character in text):
        return True
    if language == "en":
        return not ENGLISH_NUMBERS.isdisjoint(re.findall("[a-z]+", text.lower()))
    return language in ("zh", "yue", "ja") and HAN_NUMBER.search(text) is not None

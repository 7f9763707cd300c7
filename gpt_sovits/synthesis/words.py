"""A word and when it is spoken. It needs no PyTorch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gpt_sovits.synthesis.preset import Preset


class Word(NamedTuple):
    """A word of a text.

    Attributes:
        text: As it is written, with the marks that touch it.
        start: When it begins, in seconds.
        end: When it ends, in seconds.
    """

    text: str
    start: float
    end: float

    def later(self, seconds: float) -> Word:
        """Return the word that many seconds later."""
        return Word(self.text, round(self.start + seconds, 3), round(self.end + seconds, 3))


def read_words(rows: Iterable[Sequence] | None) -> tuple[Word, ...] | None:
    """Return the words that JSON holds as lists. None stays None.

    Raises:
        TypeError: A row does not have three values.
    """
    return None if rows is None else tuple(Word(*row) for row in rows)


def can_time_words(preset: Preset) -> bool:
    """Return whether a voice can tell when its words are spoken: a part of its GPT must be known to follow the text."""
    return preset.alignment_head is not None or preset.token_phones is not None

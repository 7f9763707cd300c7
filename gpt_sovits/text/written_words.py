"""Which symbols of a sentence each of its written words is spoken with.

The front end reads a sentence as a whole: 10 a.m. and $5 become other words, and a word sounds different beside others.
So each written word is also read alone, and the symbols of the words are laid along those of the sentence with as few
differences as possible. A word keeps the form in which it is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from gpt_sovits.text.symbols import PUNCTUATION

# A run of other characters than space is a word. In scripts without spaces, a character with the marks after it is one
UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3005"
WORD = re.compile(rf"[{UNSPACED}][^\s\w{UNSPACED}]*|[^\s{UNSPACED}]+")
SPOKEN_SIGNS = frozenset("&%+=@#$€£¥°§×÷")


@dataclass(frozen=True)
class WrittenWord:
    """A word and the symbols that it is spoken with.

    Attributes:
        text: As it is written, with the marks that touch it.
        first: Index of its first symbol in the sentence.
        end: Index after its last one, above `first`.
    """

    text: str
    first: int
    end: int


def written_words(sentence: str) -> list[str]:
    """Return the words of a sentence as they are written, with the marks that touch them.

    What has neither a letter nor a digit nor a sign with a name is left out, unless nothing else is there.
    """
    words = WORD.findall(sentence)
    return [word for word in words if any(c.isalnum() or c in SPOKEN_SIGNS for c in word)] or words


def locate_words(sentence: str, symbols: Sequence[str], read: Callable[[str], Sequence[str]]) -> list[WrittenWord]:
    """Return the words of a sentence with their symbols, in order.

    Every symbol but the pauses between words belongs to one word. A word has at least one symbol, unless the sentence
    has fewer symbols than words: then its last words share the last one.

    Args:
        sentence: The text.
        symbols: What it is spoken with as a whole.
        read: Returns the symbols of a word that stands alone. It raises ValueError where it has none.
    """
    words = written_words(sentence)
    spoken = [index for index, symbol in enumerate(symbols) if symbol not in PUNCTUATION]
    if not words or not spoken:
        return [WrittenWord(word, 0, max(1, len(symbols))) for word in words]
    alone, owners = [], []
    for number, word in enumerate(words):
        own = [symbol for symbol in _read(word, read) if symbol not in PUNCTUATION]
        alone += own or ["?"]
        owners += [number] * max(1, len(own))
    starts = _starts([symbols[index] for index in spoken], alone, owners, len(words))
    ends = [*starts[1:], len(spoken)]
    return [
        WrittenWord(word, spoken[first], spoken[max(end, first + 1) - 1] + 1)
        for word, first, end in zip(words, starts, ends, strict=True)
    ]


def _starts(spoken: list[str], alone: list[str], owners: list[int], n_words: int) -> list[int]:
    """Return the index of each word's first symbol. They grow, as far as there are enough symbols."""
    firsts = {number: owners.index(number) for number in range(n_words)}
    places = {}  # index in `alone` -> index in `spoken`
    for block in Levenshtein.opcodes(alone, spoken):
        width = block.src_end - block.src_start
        for offset in range(width):
            share = offset * (block.dest_end - block.dest_start) // max(1, width)
            places[block.src_start + offset] = block.dest_start + share
    starts = [places[firsts[number]] for number in range(n_words)]
    starts[0] = 0
    for number in range(1, n_words):  # no word without a symbol, from the left and then from the right
        starts[number] = max(starts[number], starts[number - 1] + 1)
    last = len(spoken) - 1
    for number in reversed(range(n_words)):
        starts[number] = max(0, min(starts[number], last))
        last = starts[number] - 1 if starts[number] else 0
    return starts


def _read(word: str, read: Callable[[str], Sequence[str]]) -> Sequence[str]:
    try:
        return read(word)
    except ValueError:
        return ()

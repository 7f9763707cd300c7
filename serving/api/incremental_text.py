"""Sentences out of a text that arrives word by word, as a language model writes it."""

from __future__ import annotations

import re

from gpt_sovits.text.sentences import SPACELESS_SCRIPTS, split_sentences

NEVER_CUT = 10**9  # long sentences are cut by the engine, as in a whole text
# What a text can end with, read backwards: a pattern that ends with $ takes a time that grows with the square
UNSETTLED = (
    re.compile(rf"[^\s{SPACELESS_SCRIPTS}]+"),
    re.compile(rf"[{SPACELESS_SCRIPTS}。！？｡「」『』、，]{{1,2}}"),
)


class IncrementalText:
    """Holds what has arrived and is not a whole sentence yet."""

    def __init__(self) -> None:
        self._text = ""

    @property
    def n_waiting(self) -> int:
        """Return the characters that are held."""
        return len(self._text)

    def push(self, text: str) -> list[str]:
        """Take more text and return the sentences that are whole now.

        A sentence is whole when the word after it is: "Dr." ends one or not depending on what follows.
        """
        self._text += text
        settled = without_unsettled(self._text)
        sentences = split_sentences(settled, NEVER_CUT)[:-1]
        self._drop(sum(len("".join(sentence.split())) for sentence in sentences))
        return sentences

    def finish(self) -> list[str]:
        """Return the sentences that are left."""
        rest, self._text = self._text, ""
        return split_sentences(rest, NEVER_CUT)

    def _drop(self, n_characters: int) -> None:
        """Drop characters from the beginning, counted without white space, of which splitting loses some."""
        place = 0
        while n_characters:
            n_characters -= not self._text[place].isspace()
            place += 1
        self._text = self._text[place:]


def without_unsettled(text: str) -> str:
    """Return a text without the word, or the one or two characters without spaces, that it ends with."""
    end = len(text) - text.endswith("\n")
    backwards = text[end - 1 :: -1] if end else ""
    n = max(len(match[0]) if (match := pattern.match(backwards)) else 0 for pattern in UNSETTLED)
    return text[: end - n] + text[end:]

"""Rules that rewrite a text before it is read: a pattern, and the words that replace each match."""

import re
from collections.abc import Callable, Iterable

Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], str]]


def rule(pattern: str, words: str | Callable[[re.Match[str]], str], flags: int = 0) -> Rule:
    """Return a rule that replaces each match by words.

    Args:
        pattern: A regular expression.
        words: The replacement, or a function that returns it.
        flags: Flags of the regular expression.
    """
    return re.compile(pattern, flags), (lambda m: words) if isinstance(words, str) else words


def alternatives(words: Iterable[str]) -> str:
    """Return a regular expression for any of the words, the longest first."""
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))

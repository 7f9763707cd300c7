"""English for scoring: openai-whisper's EnglishTextNormalizer with a few rules before it.

The result is in lower case, without punctuation, with contractions written out, numbers as digits and American
spelling. The rules correct places where whisper normalises the spoken and the written form of one thing differently.
"""

import re
import unicodedata
from collections.abc import Callable
from functools import cache

_APOSTROPHES = str.maketrans({"\u2019": "'", "\u2018": "'", "\u02bc": "'"})
_BEFORE = (
    (re.compile(r"\bo'\s?clock\b"), "oclock"),  # whisper reads the o as a zero: "five o'clock" became "50 clock"
    (re.compile(r"\b([ap])\.\s?m\b\.?"), r"\1m"),  # "p.m." became "p m", spoken "pm" did not
    (re.compile(r"\b(\d{1,2}):([0-5]\d)\b"), r"\1\2"),  # "3:30" became "3 30", "three thirty" 330
    (re.compile(r"\be-mail"), "email"),
    (re.compile(r"ninth(s?)\b"), r"nineth\1"),  # whisper's table has this spelling and misses "ninth"
    (re.compile(r"(?<![\w.])-(?=\d)"), "minus "),  # "-5" became 5, "minus five" -5
    (re.compile(r"(?<=(?<![\w.,-])\d),? (?=\d(?![\w.-]|,\d))"), ""),  # "1, 2" became "one 2", "one, two" 12
    (re.compile(r"\bcannot\b"), "can not"),  # as "can't" becomes
    (re.compile(r"\s*&\s*"), " and "),
    (re.compile(r"[()\[\]<>]"), " "),  # whisper drops text in brackets, but a voice reads it aloud
)


@cache
def _whisper() -> Callable[[str], str]:
    # imported here, because whisper loads torch, which takes seconds, and reading scores does not need it
    from whisper.normalizers import EnglishTextNormalizer

    return EnglishTextNormalizer()


def normalize_english(text: str) -> str:
    """Normalise English into words with single spaces between them."""
    text = unicodedata.normalize("NFKC", text).translate(_APOSTROPHES).lower()
    text = "".join(c for c in text if unicodedata.category(c) != "Cf")  # zero-width characters would split words
    for pattern, replacement in _BEFORE:
        text = pattern.sub(replacement, text)
    words = _whisper()(text).split()
    return " ".join(word for word in words if any(c.isalnum() for c in word))

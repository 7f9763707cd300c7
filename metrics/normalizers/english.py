"""English for scoring: openai-whisper's EnglishTextNormalizer with a few rules before it.

Lower case, no punctuation, contractions opened, numbers as digits, American spelling. The rules mend where whisper
reads the spoken and the written form of one thing differently.
"""

import re
import unicodedata
from collections.abc import Callable
from functools import cache

_APOSTROPHES = str.maketrans({"\u2019": "'", "\u2018": "'", "\u02bc": "'"})
_BEFORE = (
    (re.compile(r"\bo'\s?clock\b"), "oclock"),  # whisper takes the o for a zero: "five o'clock" became "50 clock"
    (re.compile(r"\b([ap])\.\s?m\b\.?"), r"\1m"),  # "p.m." became "p m", spoken "pm" did not
    (re.compile(r"\b(\d{1,2}):([0-5]\d)\b"), r"\1\2"),  # "3:30" became "3 30", "three thirty" 330
    (re.compile(r"\be-mail"), "email"),
    (re.compile(r"ninth(s?)\b"), r"nineth\1"),  # whisper's table spells it so, and missed "ninth"
    (re.compile(r"(?<![\w.])-(?=\d)"), "minus "),  # "-5" became 5, "minus five" -5
    (re.compile(r"(?<=(?<![\w.,-])\d),? (?=\d(?![\w.-]|,\d))"), ""),  # "1, 2" became "one 2", "one, two" 12
    (re.compile(r"\bcannot\b"), "can not"),  # as "can't" becomes
    (re.compile(r"\s*&\s*"), " and "),
    (re.compile(r"[()\[\]<>]"), " "),  # whisper drops what stands in brackets, but a voice reads it aloud
)


@cache
def _whisper() -> Callable[[str], str]:
    # here, not above: importing whisper loads torch, several seconds that a reader of scores need not pay
    from whisper.normalizers import EnglishTextNormalizer

    return EnglishTextNormalizer()


def normalize_english(text: str) -> str:
    """Words separated by single spaces."""
    text = unicodedata.normalize("NFKC", text).translate(_APOSTROPHES).lower()
    text = "".join(c for c in text if unicodedata.category(c) != "Cf")  # zero-width characters would split words
    for pattern, replacement in _BEFORE:
        text = pattern.sub(replacement, text)
    words = _whisper()(text).split()
    return " ".join(word for word in words if any(c.isalnum() for c in word))

"""The text that word errors are counted on: one named, versioned normaliser for reference and hypothesis alike.

English is openai-whisper's EnglishTextNormalizer (lower case, no punctuation, contractions opened, numbers as digits,
American spelling) with a few rules before it, where it reads the spoken and the written form of one thing differently.
A score is only comparable to another under the same NORMALIZER_NAME and NORMALIZER_VERSION.
"""

import re
import unicodedata
from collections.abc import Callable
from functools import cache
from importlib.metadata import version

RULES_VERSION = 1  # raise it with any change to the rules below: old scores are then no longer compared with new ones
NORMALIZER_NAME = "whisper_english"
NORMALIZER_VERSION = f"{version('openai-whisper')}+rules{RULES_VERSION}"
LANGUAGES = ("en",)

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
def _english() -> Callable[[str], str]:
    # here, not above: importing whisper loads torch, several seconds that a reader of scores need not pay
    from whisper.normalizers import EnglishTextNormalizer

    return EnglishTextNormalizer()


def normalize_text(text: str, language: str = "en") -> str:
    """Words separated by single spaces, "" when nothing is left to score.

    Raises ValueError for a language without a normaliser: scoring it with English rules would give a wrong WER.
    """
    if language not in LANGUAGES:
        raise ValueError(
            f"no scoring normaliser for language {language!r}; there is one for {', '.join(LANGUAGES)}; "
            "add it to metrics/normalize.py before scoring this language"
        )
    text = unicodedata.normalize("NFKC", text).translate(_APOSTROPHES).lower()
    text = "".join(c for c in text if unicodedata.category(c) != "Cf")  # zero-width characters would split words
    for pattern, replacement in _BEFORE:
        text = pattern.sub(replacement, text)
    words = _english()(text).split()
    return " ".join(word for word in words if any(c.isalnum() for c in word))

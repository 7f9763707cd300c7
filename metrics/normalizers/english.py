"""English for scoring: openai-whisper's EnglishTextNormalizer with rules before and after it.

The result is in lower case, without punctuation, with contractions written out, numbers as digits and American
spelling. The rules correct places where whisper normalises the spoken and the written form of one thing differently.
"""

import re
import sys
import unicodedata
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from metrics.normalizers.english_numerals import (
    join_pairs,
    separate_day_from_year,
    write_days_as_ordinals,
    write_roman_numerals_as_digits,
)
from metrics.normalizers.english_spellings import repaired_spellings
from metrics.normalizers.english_units import make_units_singular, write_out_units

_APOSTROPHES = str.maketrans({"\u2019": "'", "\u2018": "'", "\u02bc": "'"})
_HESITATIONS = re.compile(r"\b(?:hmm|mm|mhm|mmm|uh|um)\b")  # those that whisper deletes
_BEFORE = (
    (re.compile(r"\bo'\s?clock\b"), "oclock"),  # whisper reads the o as a zero: "five o'clock" became "50 clock"
    (re.compile(r"\bo(?:\.\s?k\.?|\sk)(?!\w)"), "okay"),  # the o became a zero here too
    (re.compile(r"\b([ap])\.\s?m\b\.?"), r"\1m"),  # "p.m." became "p m", spoken "pm" did not
    (re.compile(r"\b(\d{1,2}):([0-5]\d)\b"), r"\1\2"),  # "3:30" became "3 30", "three thirty" 330
    (re.compile(r"\be-mail"), "email"),
    (re.compile(r"(?<![-\w])to-(day|morrow|night)(?![-\w])"), r"to\1"),
    (re.compile(r"\bgood-by(e?)\b"), r"goodby\1"),
    (re.compile(r"\bco-(?=op|ord)"), "co"),
    (re.compile(r"ninth(s?)\b"), r"nineth\1"),  # whisper's table has this spelling and misses "ninth"
    (re.compile(r"(?<![\w.])-(?=\d)"), "minus "),  # "-5" became 5, "minus five" -5
    (re.compile(r"(?<=(?<![\w.,-])\d),? (?=\d(?![\w.-]|,\d))"), ""),  # "1, 2" became "one 2", "one, two" 12
    (re.compile(r"\bcannot\b"), "can not"),  # as "can't" becomes
    (re.compile(r"(?<=\d)\s%"), "%"),  # whisper drops the sign after a space
    (re.compile(r"\bper cent\b"), "percent"),
    (re.compile(r"\s*&\s*"), " and "),
    (re.compile(r"[()\[\]<>]"), " "),  # whisper drops text in brackets, but a voice reads it aloud
)


def _whisper_normalizers() -> ModuleType:
    """Import whisper's package `normalizers` under another name.

    Importing it by its own name would import whisper first, which loads torch, and the gate does not need that.
    """
    name = "whisper_normalizers"
    if name not in sys.modules:
        folder = Path(find_spec("whisper").submodule_search_locations[0]) / "normalizers"
        spec = spec_from_file_location(name, folder / "__init__.py", submodule_search_locations=[str(folder)])
        module = sys.modules[name] = module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


@cache
def _whisper() -> Callable[[str], str]:
    whisper = _whisper_normalizers().EnglishTextNormalizer()
    whisper.standardize_spellings.mapping = repaired_spellings(whisper.standardize_spellings.mapping)
    return whisper


def normalize_english(text: str) -> str:
    """Normalise English into words with single spaces between them."""
    text = _prepare(text)
    words = [word for word in _whisper()(text).split() if any(c.isalnum() for c in word)]
    return " ".join(write_days_as_ordinals(make_units_singular(words)))


def has_english_words(text: str) -> bool:
    """Return whether anything is left of a text after normalisation. Whisper's package is not loaded."""
    return any(c.isalnum() for c in _HESITATIONS.sub("", _prepare(text)))


def _prepare(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).translate(_APOSTROPHES)
    text = "".join(c for c in text if unicodedata.category(c) != "Cf")  # zero-width characters would split words
    text = " ".join(text.split())
    text = join_pairs(write_roman_numerals_as_digits(write_out_units(text))).lower()
    text = separate_day_from_year(text)
    for pattern, replacement in _BEFORE:
        text = pattern.sub(replacement, text)
    return text

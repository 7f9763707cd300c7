"""The text that errors are counted on: one named, versioned normaliser a language, for reference and hypothesis alike.

A score is only comparable to another under the same name and version of its normaliser.

English errors are counted in words. Chinese, Cantonese and Japanese are written without spaces, and Korean is spaced
as the writer likes: their unit is the character (a Latin word among them is one unit too), so their normalisers put a
space between all characters. "Word errors" of such a text are character errors: `wer` is what the field calls CER.

The rules are our own and not those of gpt_sovits/text, which the voice reads with: a mended front end would change old
scores without a new version here, and where it misreads a name, the judge's spelling of that misreading would be read
back as right. Han numerals become digits, because a numeral has one value and digits have several readings; whether
2 was said as 两 or 二, or 1987 digit by digit, is not scored: the judge writes it as digits anyway. Korean digits have
one reading in their place, and Korean numerals look like other syllables, so there digits become syllables. Japanese
kanji stay, because their readings would come from a front end; common words that are written either way become kana.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

from metrics.normalizers.chinese import normalize_cantonese, normalize_mandarin
from metrics.normalizers.english import normalize_english
from metrics.normalizers.japanese import normalize_japanese
from metrics.normalizers.korean import normalize_korean


@dataclass(frozen=True)
class Normalizer:
    """The rules of one language. Raise the number in `version` with any change to them or to metrics/normalizers/."""

    name: str
    version: str
    normalize: Callable[[str], str]


NORMALIZERS = {
    "en": Normalizer("whisper_english", f"{version('openai-whisper')}+rules1", normalize_english),
    "zh": Normalizer("mandarin_characters", f"opencc{version('opencc')}+rules1", normalize_mandarin),
    "yue": Normalizer("cantonese_characters", f"opencc{version('opencc')}+rules1", normalize_cantonese),
    "ja": Normalizer("japanese_characters", "rules1", normalize_japanese),
    "ko": Normalizer("korean_syllables", "rules1", normalize_korean),
}
LANGUAGES = tuple(NORMALIZERS)


def normalizer_of(language: str) -> Normalizer:
    """The normaliser of a language. Raises ValueError for one without: another's rules would give a wrong WER."""
    if language not in NORMALIZERS:
        raise ValueError(
            f"no scoring normaliser for language {language!r}; there is one for {', '.join(LANGUAGES)}; "
            "add it to metrics/normalize.py before scoring this language"
        )
    return NORMALIZERS[language]


def normalize_text(text: str, language: str = "en") -> str:
    """Units (words in English, else characters) separated by single spaces, "" when nothing is left to score.

    Any text will do, and what comes out goes through unchanged. Raises ValueError as `normalizer_of` does.
    """
    return normalizer_of(language).normalize(text)


def without_unit_spaces(normalized: str, language: str) -> str:
    """A normalised text as character errors are counted on it: where each character is a unit, its spaces are ours."""
    return normalized if language == "en" else normalized.replace(" ", "")

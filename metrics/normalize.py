"""The text that errors are counted on: one named, versioned normaliser per language, for reference and hypothesis.

A score can only be compared with another under the same name and version of its normaliser.

English errors are counted in words. Chinese, Cantonese and Japanese are written without spaces, and Korean is spaced
as the writer likes. Their unit is the character (a Latin word among them is one unit too), so their normalisers put a
space between all characters. "Word errors" of such a text are character errors: `wer` is what the field calls CER.

The rules are independent of gpt_sovits/text, which the voice reads with. If they were shared, a correction of the front
end would change old scores without a new version here. Where the front end misreads a name, the misreading would also
count as right, if the judge spells it as it was misread.

Han numerals become digits, because a numeral has one value and digits have several readings. Whether 2 was said as 两
or 二, or 1987 digit by digit, is not scored, because the judge writes digits anyway. Korean digits have one reading in
their place, and Korean numerals look like other syllables, so digits become syllables there. Japanese kanji stay,
because their readings would come from a front end. Common words that are written either way become kana.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

from metrics.normalizers.chinese import normalize_cantonese, normalize_mandarin
from metrics.normalizers.english import has_english_words, normalize_english
from metrics.normalizers.japanese import normalize_japanese
from metrics.normalizers.korean import normalize_korean


@dataclass(frozen=True)
class Normalizer:
    """The rules of one language. Raise the number in `version` with any change to them or to metrics/normalizers/."""

    name: str
    version: str
    normalize: Callable[[str], str]


NORMALIZERS = {
    "en": Normalizer("whisper_english", f"{version('openai-whisper')}+rules2", normalize_english),
    "zh": Normalizer("mandarin_characters", f"opencc{version('opencc')}+rules1", normalize_mandarin),
    "yue": Normalizer("cantonese_characters", f"opencc{version('opencc')}+rules1", normalize_cantonese),
    "ja": Normalizer("japanese_characters", "rules1", normalize_japanese),
    "ko": Normalizer("korean_syllables", "rules1", normalize_korean),
}
LANGUAGES = tuple(NORMALIZERS)


def normalizer_of(language: str) -> Normalizer:
    """Return the normaliser of a language.

    Raises:
        ValueError: there is none. The rules of another language would give a wrong WER.
    """
    if language not in NORMALIZERS:
        raise ValueError(
            f"there is no scoring normaliser for language {language!r}; there is one for {', '.join(LANGUAGES)}; "
            "add one to metrics/normalize.py before scoring this language"
        )
    return NORMALIZERS[language]


def error_unit(language: str) -> str:
    """Return what the errors of a language are counted in: `word` or `character`."""
    return "word" if language == "en" else "character"


def normalize_text(text: str, language: str = "en") -> str:
    """Return the units of a text (words in English, else characters) with single spaces between them.

    Any text is accepted. Normalising the result again does not change it, except in English where a digit or a letter
    follows a digit: 4/5 becomes "4 5", which is read as 45, and 5G becomes "5 g", which is read as a unit.

    Returns:
        The units, or an empty text where there is nothing to score.

    Raises:
        ValueError: the language has no normaliser.
    """
    return normalizer_of(language).normalize(text)


def has_words(text: str, language: str = "en") -> bool:
    """Return whether normalisation leaves anything of a text to score. Nothing is left of "Mm-hmm." or "...".

    This loads no model library, so files of prompts can be checked quickly.

    Raises:
        ValueError: the language has no normaliser.
    """
    return has_english_words(text) if language == "en" else bool(normalize_text(text, language))


def remove_unit_spaces(normalized: str, language: str) -> str:
    """Return a normalised text as character errors are counted on it.

    Where the character is the unit, the spaces between characters come from the normaliser and are removed.
    """
    return normalized if language == "en" else normalized.replace(" ", "")

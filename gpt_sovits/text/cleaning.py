"""Cleaning: text as people paste it becomes one plain line, the same for every language."""

import re
import unicodedata

QUOTES = str.maketrans(
    {**dict.fromkeys("‘’‛′`´ʼʻ", "'"), **dict.fromkeys('“”„‟«»″"', " "), **dict.fromkeys("™®©", " ")}
)
DASHES = str.maketrans(dict.fromkeys("‐‑‒➖", "-"))
DROPPED_CATEGORIES = {"Cc", "Cf", "Co", "Cn", "Cs", "So", "Sk", "Me"}  # controls, unassigned, emoji, modifiers
KEPT_CHARACTERS = "°^"  # in these categories, but part of what is said
SUPERSCRIPTS = "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"
PLAIN_SUPERSCRIPTS = str.maketrans(SUPERSCRIPTS, "-0123456789")
FRACTION_AFTER_DIGIT = re.compile(r"(?<=\d)(?=[¼-¾⅐-⅞])")  # 3½ is not 31/2
POWER = re.compile(rf"(?:(?<=[\d)])|(?<=(?<![A-Za-z])[a-ln-z]))[{SUPERSCRIPTS}]+")  # 10⁶ is not 106, but m² may be m2
LIST_COMMA = re.compile(r"(?<=\d)[，、](?=\d)")  # 1，200 is two numbers, 1,200 is one


def clean(text: str) -> str:
    """Return one line of composed Unicode with plain quotes and dashes, without control characters and emoji.

    Line breaks become full stops, full-width forms plain ones, 10⁶ becomes 10^6 and 3½ becomes 3 1/2. Private-use
    characters are removed, because gpt_sovits.text.lexicon uses them as placeholders.
    """
    text = text.translate(QUOTES).translate(DASHES)
    text = LIST_COMMA.sub("， ", text)
    text = FRACTION_AFTER_DIGIT.sub(" ", POWER.sub(lambda m: "^" + m[0].translate(PLAIN_SUPERSCRIPTS), text))
    text = unicodedata.normalize("NFKC", re.sub(r"([^\s])?[ \t]*[\r\n\u2028\u2029]+\s*", _line_break, text))
    text = text.replace("\N{FRACTION SLASH}", "/")
    text = "".join(c if _is_kept(c) else _replacement(c) for c in text)
    return re.sub(r"\s+", " ", text).strip()


def _line_break(m: re.Match[str]) -> str:
    """Return a full stop, unless the line already ends with a punctuation mark."""
    last = m[1] or ""
    return last + (". " if last.isalnum() else " ")


def _is_kept(character: str) -> bool:
    return character in KEPT_CHARACTERS or unicodedata.category(character) not in DROPPED_CATEGORIES


def _replacement(character: str) -> str:
    # format characters (zero-width joiners, soft hyphens) occur inside words, the others between them
    return "" if unicodedata.category(character) == "Cf" else " "

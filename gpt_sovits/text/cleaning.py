"""Text as people paste it to one plain line, the same for every language."""

import re
import unicodedata

QUOTES = str.maketrans({**dict.fromkeys("‘’‛′`´", "'"), **dict.fromkeys('“”„‟«»″"', " "), **dict.fromkeys("™®©", " ")})
DASHES = str.maketrans(dict.fromkeys("‐‑‒", "-"))
DROPPED_CATEGORIES = {"Cc", "Cf", "Co", "Cn", "Cs", "So", "Sk", "Me"}  # controls, unassigned, emoji, modifiers
KEPT = "°^"  # of these categories, but part of what is said
SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹"
PLAIN_SUPERSCRIPTS = str.maketrans(SUPERSCRIPTS, "0123456789")
FRACTION_AFTER_DIGIT = re.compile(r"(?<=\d)(?=[¼-¾⅐-⅞])")  # 3½ is not 31/2
POWER = re.compile(rf"(?:(?<=[\d)])|(?<=(?<![A-Za-z])[a-ln-z]))[{SUPERSCRIPTS}]+")  # 10⁶ is not 106; m² may be m2
LIST_COMMA = re.compile(r"(?<=\d)[，、](?=\d)")  # 1，200 are two numbers, 1,200 is one


def clean(text: str) -> str:
    """One line of composed Unicode with plain quotes and dashes, without control characters and emoji.

    Line breaks become full stops, full-width forms plain ones, 10⁶ becomes 10^6 and 3½ becomes 3 1/2. Private-use
    characters never pass: gpt_sovits.text.lexicon marks its words with them.
    """
    text = text.translate(QUOTES).translate(DASHES)
    text = LIST_COMMA.sub("， ", text)
    text = FRACTION_AFTER_DIGIT.sub(" ", POWER.sub(lambda m: "^" + m[0].translate(PLAIN_SUPERSCRIPTS), text))
    text = unicodedata.normalize("NFKC", re.sub(r"([^\s])?[ \t]*[\r\n\u2028\u2029]+\s*", _line_break, text))
    text = text.replace("\N{FRACTION SLASH}", "/")
    text = "".join(c if c in KEPT or unicodedata.category(c) not in DROPPED_CATEGORIES else _gap(c) for c in text)
    return re.sub(r"\s+", " ", text).strip()


def _line_break(m: re.Match[str]) -> str:
    """A full stop, unless the line ends with a mark already."""
    last = m[1] or ""
    return last + (". " if last.isalnum() else " ")


def _gap(character: str) -> str:
    """Format characters (zero-width joiners, soft hyphens) sit inside words, the others between them."""
    return "" if unicodedata.category(character) == "Cf" else " "

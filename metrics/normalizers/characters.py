"""What the languages have in common whose unit is the character."""

import re
import unicodedata
from collections.abc import Callable, Sequence

LATIN = "a-z\u00df-\u00f6\u00f8-\u024f"  # of lower-case words
_APOSTROPHE_OR_HYPHEN = re.compile(rf"(?<=[{LATIN}])['\u2019\u2018\u02bc\u2010-](?=[{LATIN}])")
_SPACE_INSIDE = re.compile(rf"(?<![{LATIN}]) +| +(?![{LATIN}])")
_UNIT = re.compile(rf"[{LATIN}]+|\S")
_GROUP_COMMA = re.compile(r"(?<=[0-9]),(?=[0-9]{3}(?![0-9]))")

NUMBER = r"[0-9]+(?:\.[0-9]+)?"  # as `unify_characters` leaves it
CLOCK = r"(?<![0-9:])([01]?[0-9]|2[0-4]):([0-5][0-9])(?![0-9:])"
DATE = r"(?<![0-9/-])([0-9]{4})([/-])0?([0-9]{1,2})\2(?:0)?([0-9]{1,2})(?![0-9/-])"
Rule = tuple[str, str | Callable[[re.Match[str]], str]]


def unify_characters(text: str) -> str:
    """Return lower-case text with one width of characters, none of zero width, and Wi-Fi as wifi, 1,000 as 1000."""
    text = unicodedata.normalize("NFKC", text).lower()
    text = "".join(c for c in text if unicodedata.category(c) not in ("Cf", "Mn"))
    return _GROUP_COMMA.sub("", _APOSTROPHE_OR_HYPHEN.sub("", text))


def close_up(text: str) -> str:
    """Return letters and digits only, with one space where two Latin words meet and none elsewhere."""
    text = unicodedata.normalize("NFKC", "".join(c if c.isalnum() else " " for c in text))
    return _SPACE_INSIDE.sub("", re.sub(" +", " ", text))


def space_units(text: str) -> str:
    """Put one space between the units of a text from `close_up`. A unit is a Latin word or another character."""
    return " ".join(_UNIT.findall(text))


def apply_rules(text: str, rules: Sequence[Rule]) -> str:
    """Apply rules (pattern, replacement) one after the other. The module re keeps the patterns compiled."""
    for pattern, replacement in rules:
        text = re.sub(pattern, replacement, text)
    return text


def clock(m: re.Match[str], hour: str, minute: str = "") -> str:
    """Return 7:05 with the words for hours and minutes: 7点05, 7時5分. A full hour has no minutes."""
    minutes = f"{int(m[2])}{minute}" if minute else m[2]
    return f"{int(m[1])}{hour}" + (minutes if int(m[2]) else "")


def units_of_measure(words: dict[str, str], digit: str = "0-9") -> list[Rule]:
    """Return rules for 5km, 5 kg, 20°c. `digit` is a character class of what may stand before the unit."""
    return [(rf"(?<=[{digit}])\s?{sign}(?![{LATIN}])", word) for sign, word in words.items()]


def money(signs: dict[str, str]) -> list[Rule]:
    """Return rules for $5 and $3.5 that put the word of a language behind the amount."""
    amount = rf"({NUMBER}[千万萬亿億만억]*)"
    return [(rf"{re.escape(sign)}\s?{amount}", rf"\1{word}") for sign, word in signs.items()]

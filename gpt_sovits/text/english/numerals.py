"""English numerals: numbers in words, for every rule that needs them. num2words has most of the words."""

import re
from collections.abc import Callable

from num2words import num2words

from gpt_sovits.text.rewriting import Rule

NUMBER = r"(?>\d+(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)*|\.\d+)"
RANGE = "\u2012"  # a sign that cleaned text never has: the dash of a range, until its numbers are words
MAX_CARDINAL_DIGITS = 15  # beyond that a number is read digit by digit, like a telephone number
IRREGULAR_PLURALS = {"foot": "feet", "penny": "pence", "inch": "inches"} | {
    w: w for w in ("yen", "yuan", "hertz", "kilohertz", "megahertz", "gigahertz")
}


def rule(pattern: str, function: Callable[[re.Match[str]], str], flags: re.RegexFlag = re.NOFLAG) -> Rule:
    """Return a rule that replaces each match by the function's words, with spaces around them."""
    return re.compile(pattern, flags), lambda m: f" {function(m)} "


def cardinal(digits: str) -> str:
    """Return a whole number in words: '1,234' -> 'one thousand two hundred and thirty four'.

    Numbers with a leading zero or with more than MAX_CARDINAL_DIGITS digits are read digit by digit.
    """
    plain = digits.replace(",", "")
    if len(plain) > MAX_CARDINAL_DIGITS or (plain.startswith("0") and len(plain) > 1):
        return read_digits(plain)
    return _plain_words(num2words(int(plain)))


def number(text: str) -> str:
    """Return a number in words.

    It may be whole, a decimal ('3.14' -> 'three point one four') or a version ('3.11.2' -> 'three point eleven ...').
    """
    whole, *parts = text.replace(",", "").split(".")
    if len(parts) > 1:
        return " point ".join(cardinal(part) for part in (whole, *parts))
    words = [cardinal(whole)] if whole else []
    return " ".join([*words, "point", read_digits(parts[0])]) if parts else words[0]


def read_digits(digits: str) -> str:
    """Return digits in words, one by one: '907' -> 'nine zero seven'."""
    return " ".join(num2words(int(digit)) for digit in digits)


def read_label(digits: str) -> str:
    """Return the number of a room, flight or model in words: '705' -> 'seven oh five', '1549' -> 'fifteen forty nine'.

    Numbers with other lengths than three and four digits are read like `cardinal`, from five digits on one by one.
    """
    if len(digits) > 4 or digits.startswith("0"):
        return read_digits(digits)
    if len(digits) < 3 or digits.endswith("000"):
        return cardinal(digits)
    first, last = digits[:-2], digits[-2:]
    rest = "hundred" if last == "00" else "oh " + cardinal(last[1]) if last[0] == "0" else cardinal(last)
    return f"{cardinal(first)} {rest}"


def year(digits: str) -> str:
    """Return a year in words: '1987' -> 'nineteen eighty seven', '2005' -> 'two thousand and five'."""
    return _plain_words(num2words(int(digits), to="year"))


def ordinal(digits: str) -> str:
    """Return an ordinal in words: '21' -> 'twenty first'. Very long ones are read like `cardinal`, with a 'th'."""
    if len(digits) > MAX_CARDINAL_DIGITS:
        return cardinal(digits) + "th"
    return _plain_words(num2words(int(digits.replace(",", "")), to="ordinal"))


def plural(words: str) -> str:
    """Return a plural: 'ninety' -> 'nineties', 'square foot' -> 'square feet', 'mile per hour' -> 'miles per hour'."""
    first, per, rest = words.partition(" per ")
    if words.startswith("degree "):
        first, per, rest = words.partition(" ")
    before, space, head = first.rpartition(" ")
    if head in IRREGULAR_PLURALS:
        head = IRREGULAR_PLURALS[head]
    elif head.endswith("y"):
        head = head[:-1] + "ies"
    else:
        head += "es" if head.endswith(("x", "s", "ch", "sh")) else "s"
    return before + space + head + per + rest


def count(amount: str, unit: str) -> str:
    """Return an amount with its unit in the singular or plural: ('2', 'meter') -> 'two meters'."""
    return f"{number(amount)} {unit if amount == '1' else plural(unit)}"


def _plain_words(words: str) -> str:
    return words.replace(",", "").replace("-", " ")

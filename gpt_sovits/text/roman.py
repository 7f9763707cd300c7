"""Roman numerals: how they are written and what they are worth, for every language."""

import re

VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
NUMERAL = r"(?=[MDCLXVI])M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})"  # capitals, below 4000
SMALL_NUMERAL = r"(?=[XVI])X{0,3}(?:IX|IV|V?I{0,3})"  # below 40


def roman_value(numeral: str) -> int:
    """Return the value of a Roman numeral in any case: 'XIV' -> 14."""
    values = [VALUES[letter] for letter in numeral.upper()]
    return sum(-v if v < following else v for v, following in zip(values, [*values[1:], 0], strict=True))


def replace_numbered(text: str, before: str, after: str, single_after: str) -> str:
    """Replace the Roman numerals of numbered things by digits: 第Ⅱ章 -> 第2章, II型 -> 2型.

    Args:
        text: A text after NFKC, in which Ⅱ is II.
        before: A prefix that shows a number (第, 제) before a numeral of any length.
        after: Characters after a numeral that show a number, as the inside of a regular expression's brackets.
        single_after: Those of them that show it after a single I even without the prefix.
    """
    numeral = rf"(?:(?<={before})|(?<={before} )){SMALL_NUMERAL}(?=\s?[{after}])"
    numeral += rf"|(?<![A-Za-z])(?:(?=[XVI]{{2}}){SMALL_NUMERAL}(?=[{after}])|I(?=[{single_after}]))"
    return re.sub(numeral, lambda m: str(roman_value(m[0])), text)

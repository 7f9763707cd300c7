"""English units and the capital letters after numbers: 1.5 mm2, 19 g/cm3, 5G, 10M users."""

import re

from gpt_sovits.text.english.numerals import NUMBER, RANGE, Rule, count, number, rule
from gpt_sovits.text.rewriting import alternatives

LENGTHS = {
    "km": "kilometer", "m": "meter", "cm": "centimeter", "mm": "millimeter", "μm": "micrometer", "nm": "nanometer",
    "dm": "decimeter", "mi": "mile", "yd": "yard", "ft": "foot", "in": "inch",
}  # fmt: skip
TIMES = {
    "s": "second", "h": "hour", "hr": "hour", "hrs": "hour", "min": "minute", "mins": "minute", "sec": "second",
    "secs": "second", "ms": "millisecond", "μs": "microsecond", "ns": "nanosecond", "day": "day", "week": "week",
    "month": "month", "year": "year",
}  # fmt: skip
UNITS = LENGTHS | {
    "mbps": "megabit per second", "gbps": "gigabit per second", "kbps": "kilobit per second",
    "fps": "frame per second", "mph": "mile per hour", "kph": "kilometer per hour", "psi": "pound per square inch",
    "μg": "microgram", "px": "pixel", "mg": "milligram", "g": "gram", "kg": "kilogram",
    "lb": "pound", "lbs": "pound", "oz": "ounce", "l": "liter", "ml": "milliliter", "cl": "centiliter",
    "dl": "deciliter", "gal": "gallon", "tbsp": "tablespoon", "tsp": "teaspoon", "ha": "hectare",
    "hr": "hour", "hrs": "hour", "min": "minute", "mins": "minute", "sec": "second", "secs": "second",
    "ms": "millisecond", "μs": "microsecond", "ns": "nanosecond",
    "hz": "hertz", "khz": "kilohertz", "mhz": "megahertz", "ghz": "gigahertz", "db": "decibel",
    "kb": "kilobyte", "mb": "megabyte", "gb": "gigabyte", "tb": "terabyte", "pb": "petabyte",
    "kw": "kilowatt", "kwh": "kilowatt-hour", "mah": "milliampere hour",
    "kcal": "kilocalorie", "kj": "kilojoule", "kpa": "kilopascal", "hpa": "hectopascal",
    "°c": "degree Celsius", "°f": "degree Fahrenheit", "°": "degree",
}  # fmt: skip
CAPITAL_UNITS = {"V": "volt", "kV": "kilovolt", "mV": "millivolt", "W": "watt", "mW": "milliwatt", "MW": "megawatt",
                 "GW": "gigawatt", "Wh": "watt hour", "MWh": "megawatt hour", "GWh": "gigawatt hour"}  # fmt: skip
POWERS = {"2": "square", "3": "cubic", "sq": "square", "cu": "cubic"}
NOT_ALONE = {"in", "pb", "s"}  # words, and letters with another meaning, unless another part shows that they are units


_ONE = f"(?:(?-i:{alternatives(CAPITAL_UNITS)})|{alternatives(set(UNITS) - NOT_ALONE)})"
_LENGTH = f"(?:{alternatives(LENGTHS)})"
_PART = rf"(?:(?:sq|cu)\.?\s?{_LENGTH}|{_LENGTH}\^?[23]|{_ONE})"
_RATE = rf"(?:{_LENGTH}[23]|{alternatives(set(TIMES) | set(UNITS))})"
UNIT = rf"{_PART}(?:/{_RATE})?"


def unit_name(unit: str) -> str:
    """Return the name of a unit in the singular: 'mm2' -> 'square millimeter', 'g/cm3' -> 'gram per cubic ...'."""
    first, _, rate = unit.partition("/")
    return f"{_part_name(first)} per {_part_name(rate)}" if rate else _part_name(first)


def _part_name(unit: str) -> str:
    if unit in CAPITAL_UNITS:
        return CAPITAL_UNITS[unit]
    plain = re.sub(r"[\s.^]", "", unit.lower())
    if plain in UNITS or plain in TIMES:
        return (UNITS | TIMES)[plain]
    m = re.fullmatch("(?P<first>sq|cu)?(?P<length>.+?)(?P<last>[23])?", plain)
    return f"{POWERS[m['first'] or m['last']]} {LENGTHS[m['length']]}"


def _measure(m: re.Match[str]) -> str:
    """Read a measure: '5 km' -> 'five kilometers', but 'a 5 km run' -> 'a five kilometer run'."""
    unit = unit_name(m["unit"])
    return f"{m['article']} {number(m['amount'])} {unit}" if m["article"] else count(m["amount"], unit)


LETTER_MAGNITUDES = {"K": "thousand", "M": "million", "B": "billion", "T": "trillion"}
PLURAL = r"\s+(?:[a-z]+\s+)?(?:people|men|women|(?!(?:was|has|does|this|its|his|plus|is|as)\b)[a-z]{2,}(?<![su])s)\b"
ONE_THING = r"\s+(?!people|men|women|children)[a-z]+[a-rt-z]\b"
STORAGE = r"\s+(?:of\s+)?(?:RAM|memory|storage|data|disk|space)\b"


def _letter_after_number(m: re.Match[str]) -> str:
    """Read a capital letter after a number: a magnitude before what is counted (3K likes), else a name (4K, 5G, 7B)."""
    letter, after = m["letter"], m.string[m.end() :]
    words = number(m["amount"])
    counted = bool(re.match(PLURAL, after) or re.match(r"\s+of\b", after))
    if re.search(r"\b(?:an?|the|this|my|our|her|his)\s$", m.string[: m.start()], re.IGNORECASE) and re.match(
        ONE_THING, after
    ):
        counted = False  # a 4K video needs
    if letter == "G":
        return f"{words} gigabytes" if re.match(STORAGE, after) else f"{words} G"
    if letter in "BT" and not re.match(r"\s+\w", after):
        counted = True  # worth 5B
    if letter == "M" or counted:
        return f"{words} {LETTER_MAGNITUDES[letter]}"
    return f"{words} {letter}"


UNIT_RULES: list[Rule] = [
    rule(
        r"(?<![\w.])(?P<feet>\d)\s?ft\.?\s(?P<inches>\d|1[01])\s?in\b\.?(?!\s+(?:a|the)\b)",
        lambda m: f"{number(m['feet'])} foot {number(m['inches'])}",
    ),
    rule(
        r"(?<![\w'])(?P<feet>[3-8])'\s?(?P<inches>\d|1[01])(?![\d'])",
        lambda m: f"{number(m['feet'])} foot {number(m['inches'])}",
    ),
    rule(rf"(?<![\w.])(?P<amount>\d{{1,3}}(?:\.\d+)?)(?P<letter>[KMBTG])(?![\w'/{RANGE}])", _letter_after_number),
    rule(
        rf"(?:\b(?P<article>an?)\s)?(?<![\w.])(?P<amount>{NUMBER})\s?(?P<unit>{UNIT})(?![\w'/])(?:\.(?=\s+(?-i:[a-z])))?",
        _measure,
        re.IGNORECASE,
    ),
]

"""English units of measure: 20 mm, 20mm, a twenty millimeter screw and twenty millimetres become the same.

Abbreviations after a number become words before whisper's rules, which delete "mm" as a hesitation. Units after a
number become singular after them, because an abbreviation does not tell which was said.
"""

import re

_PREFIXED = {
    "meter": {"nm": "nano", "μm": "micro", "mm": "milli", "cm": "centi", "dm": "deci", "km": "kilo"},
    "gram": {"mg": "milli", "mcg": "micro", "μg": "micro", "kg": "kilo"},
    "liter": {"ml": "milli", "cl": "centi", "dl": "deci"},
    "hertz": {"hz": "", "khz": "kilo", "mhz": "mega", "ghz": "giga"},
    "byte": {"kb": "kilo", "mb": "mega", "gb": "giga", "tb": "tera"},
    "watt": {"kw": "kilo", "mw": "mega", "gw": "giga"},
    "watt hour": {"wh": "", "kwh": "kilo", "mwh": "mega"},
    "volt": {"mv": "milli", "kv": "kilo"},
    "calorie": {"kcal": "kilo"},
}
# units that may also follow a number in words
_CLEAR = {sign: prefix + unit for unit, signs in _PREFIXED.items() for sign, prefix in signs.items()} | {
    "mph": "mile per hour",
    "kph": "kilometer per hour",
    "kmh": "kilometer per hour",
    "ft": "foot",
    "yd": "yard",
    "yds": "yard",
    "lb": "pounds",
    "lbs": "pounds",
    "oz": "ounce",
    "tbsp": "tablespoon",
    "tsp": "teaspoon",
    "db": "decibel",
    "hr": "hour",
    "hrs": "hour",
    "mins": "minute",
    "secs": "seconds",
}
_AFTER_DIGITS = _CLEAR | {
    "mi": "mile",
    "gal": "gallon",
    "qt": "quart",
    "ha": "hectare",
    "min": "minute",
    "sec": "seconds",
    "ms": "millisecond",
    "°c": "degree celsius",
    "°f": "degree fahrenheit",
    "°": "degree",
}
# one letter, in the case in which it is written, so that 5G and 4K stay
_ONE_LETTER = {"m": "meter", "g": "gram", "l": "liter", "L": "liter", "h": "hour", "V": "volt", "W": "watt"}
_AREAS = {"m": "meter", "km": "kilometer", "cm": "centimeter", "mm": "millimeter", "ft": "foot", "mi": "mile",
          "in": "inch", "yd": "yard"}  # fmt: skip
_POWERS = {"2": "square", "3": "cubic", "sq": "square", "cu": "cubic"}
_PER = {"h": "hour", "hr": "hour", "s": "second", "sec": "second", "min": "minute", "kg": "kilogram", "l": "liter",
        "ml": "milliliter", "m2": "square meter", "m3": "cubic meter", "gal": "gallon", "day": "day"}  # fmt: skip

_LABELS = "gate|room|flight|section|number|route|apartment|seat|row|unit|platform|line|figure|table|bus|grade|form"

_NUMBER_WORD = (
    "(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|"
    "seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|half)"
)
_AREA = "|".join(sorted(_AREAS, key=len, reverse=True))


def _either(table: dict[str, str]) -> str:
    return "|".join(sorted(map(re.escape, table), key=len, reverse=True))


_DIGITS_AND_UNIT = re.compile(
    rf"(?P<label>\b(?i:{_LABELS}) )?"
    r"(?<![A-WYZa-wyz_])(?P<sign>[$€£¥]?)(?P<number>\d+(?:[.,]\d+)*)\s?-?\s?"
    rf"(?:(?P<power_before>(?i:sq|cu))\.?\s?(?P<area_after>(?i:{_AREA}))|(?P<area>(?i:{_AREA}))(?P<power>[23])"
    rf"|(?P<inch>(?i:in)(?=\.\s+[a-z]))"
    rf"|(?P<letter>{_either(_ONE_LETTER)})(?!\.?\s?[B-HJ-Zb-hj-z]\b)|(?P<unit>(?i:{_either(_AFTER_DIGITS)})))"
    rf"(?:/(?P<per>(?i:{_either(_PER)})))?(?![\w/])"
)
_MILES_PER_HOUR = re.compile(r"\b([mk])\.\s?p\.\s?h\b\.?", re.I)
_WORDS_AND_UNIT = re.compile(rf"\b({_NUMBER_WORD})[\s-]+({_either(_CLEAR)})(?:/({_either(_PER)}))?(?![\w/])", re.I)

_PLURALS = {"feet": "foot", "inches": "inch", "degrees": "degree", "miles": "mile", "hours": "hour"} | {
    f"{unit}s": unit
    for unit in (
        *{name.split()[-1] for name in (*_AFTER_DIGITS.values(), *_ONE_LETTER.values())} - {"pounds", "seconds"},
        "minute",
        "watt",
    )
}
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?|one")
_BETWEEN = {"square", "cubic", "watt", "kilowatt", "megawatt"}


def write_out_units(text: str) -> str:
    """Write the abbreviation of a unit after a number as a word. The text still has its capital letters."""
    text = _MILES_PER_HOUR.sub(r"\1ph", text)
    return _WORDS_AND_UNIT.sub(_word_and_unit, _DIGITS_AND_UNIT.sub(_digits_and_unit, text))


def make_units_singular(words: list[str]) -> list[str]:
    """Return normalised words with units after a number in the singular: 20 millimeters -> 20 millimeter."""
    result: list[str] = []
    after_number = False
    for word in words:
        result.append(_PLURALS.get(word, word) if after_number else word)
        after_number = bool(_NUMBER.fullmatch(word)) or (after_number and word in _BETWEEN)
    return result


def _digits_and_unit(m: re.Match[str]) -> str:
    is_label = m["letter"] and (m["label"] or m["number"] == "0")  # gate 14 L, and a zero may be the letter O
    if m["sign"] or is_label:  # $5m are millions
        return m[0]
    if m["power_before"]:
        unit = f"{_POWERS[m['power_before'].lower()]} {_AREAS[m['area_after'].lower()]}"
    elif m["power"]:
        unit = f"{_POWERS[m['power']]} {_AREAS[m['area'].lower()]}"
    elif m["inch"]:
        unit = "inch"
    else:
        unit = _ONE_LETTER[m["letter"]] if m["letter"] else _AFTER_DIGITS[m["unit"].lower()]
    return f"{m['label'] or ''}{m['number']} {unit}" + _per(m["per"])


def _word_and_unit(m: re.Match[str]) -> str:
    return f"{m[1]} {_CLEAR[m[2].lower()]}" + _per(m[3])


def _per(unit: str | None) -> str:
    return f" per {_PER[unit.lower()]}" if unit else ""

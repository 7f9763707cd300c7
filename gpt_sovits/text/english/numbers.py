"""English numbers in words: amounts, money, times, dates, years, fractions, telephone numbers, units.

The order of NUMBER_RULES matters (an ISO date comes before a range of numbers). The words come from num2words where it
has them.
"""

import re
from collections.abc import Callable

from num2words import num2words

Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], str]]

CODES = {"USD": "US dollar", "EUR": "euro", "GBP": "pound", "JPY": "yen", "CNY": "yuan"}
CURRENCIES = {"$": ("dollar", "cent"), "£": ("pound", "penny"), "€": ("euro", "cent"), "¥": ("yen", "")}
MAGNITUDES = {"k": "thousand", "m": "million", "mn": "million", "b": "billion", "bn": "billion", "tn": "trillion"}
UNITS = {
    "km2": "square kilometer", "m2": "square meter", "cm2": "square centimeter", "ft2": "square foot",
    "m3": "cubic meter", "cm3": "cubic centimeter", "m/s": "meter per second", "km/s": "kilometer per second",
    "mb/s": "megabyte per second", "gb/s": "gigabyte per second", "mbps": "megabit per second",
    "fps": "frame per second",
    "μm": "micrometer", "nm": "nanometer", "μs": "microsecond", "μg": "microgram", "px": "pixel",
    "km": "kilometer", "m": "meter", "cm": "centimeter", "mm": "millimeter", "km/h": "kilometer per hour",
    "mi": "mile", "yd": "yard", "ft": "foot", "mph": "mile per hour",
    "kg": "kilogram", "g": "gram", "mg": "milligram", "lb": "pound", "lbs": "pound", "oz": "ounce",
    "l": "liter", "ml": "milliliter",
    "hr": "hour", "hrs": "hour", "min": "minute", "mins": "minute", "sec": "second", "ms": "millisecond",
    "hz": "hertz", "khz": "kilohertz", "mhz": "megahertz", "ghz": "gigahertz", "db": "decibel",
    "kb": "kilobyte", "mb": "megabyte", "gb": "gigabyte", "tb": "terabyte", "kw": "kilowatt", "kwh": "kilowatt-hour",
    "°c": "degree Celsius", "°f": "degree Fahrenheit", "°": "degree",
}  # fmt: skip
MONTHS = [
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
]  # fmt: skip
NAMES_OF_MONTHS = "|".join(MONTHS)
IRREGULAR_PLURALS = {"foot": "feet", "penny": "pence"} | {
    w: w for w in ("yen", "yuan", "hertz", "kilohertz", "megahertz")
}
IRREGULAR_PLURALS |= {"gigahertz": "gigahertz"}
MAX_CARDINAL_DIGITS = 15  # beyond that a number is read digit by digit, like a telephone number

NUMBER = r"(?>\d+(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)*|\.\d+)"


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


def _plain_words(words: str) -> str:
    return words.replace(",", "").replace("-", " ")


def _count(amount: str, unit: str) -> str:
    return f"{number(amount)} {unit if amount == '1' else plural(unit)}"


def _money(m: re.Match[str]) -> str:
    words = _amount(m)
    return re.sub(r"\b(?=dollars?\b)", f"{m['country']} ", words) if m["country"] else words


def _amount(m: re.Match[str]) -> str:
    unit, small_unit = CURRENCIES[m["currency"]]
    amount = m["amount"].replace(",", "")
    if m["magnitude"]:
        magnitude = m["magnitude"].lower()
        return f"{number(amount)} {MAGNITUDES.get(magnitude, magnitude)} {plural(unit)}"
    whole, _, cents = amount.partition(".")
    if not small_unit or len(cents) != 2:
        return _count(amount, unit)
    large = _count(whole or "0", unit)
    small = _count(str(int(cents)), small_unit)
    if int(cents) == 0:
        return large
    return small if int(whole or 0) == 0 else f"{large} and {small}"


def _time(m: re.Match[str]) -> str:
    hour, minute, half = int(m["hour"]), int(m["minute"]), m["half"]
    words = [cardinal(str(hour))]
    if minute:
        words += ["oh"] * (minute < 10) + [cardinal(str(minute))]
    elif not half:
        words.append("o'clock" if 1 <= hour <= 12 else "hundred")
    if m["second"]:
        words.append("and " + _count(str(int(m["second"])), "second"))
    if half:
        words.append(half.upper() + " M")
    return " ".join(words)


def _date(m: re.Match[str]) -> str:
    """Read 2024-05-17, and 5/17/2024 the American way unless its second number can only be a month."""
    month, day = int(m["month"]), int(m["day"])
    if month > 12:
        month, day = day, month
    return f"{MONTHS[month - 1]} {ordinal(str(day))} {year(m['year'])}"


def _power(m: re.Match[str]) -> str:
    return {"2": "squared", "3": "cubed"}.get(m["power"]) or f"to the power of {number(m['power'])}"


def _measure(m: re.Match[str]) -> str:
    """Read a measure: '5 km' -> 'five kilometers', but 'a 5 km run' -> 'a five kilometer run'."""
    unit = UNITS[m["unit"].lower()]
    return f"{m['article']} {number(m['amount'])} {unit}" if m["article"] else _count(m["amount"], unit)


def _fraction(m: re.Match[str]) -> str:
    top, bottom = int(m["top"]), int(m["bottom"])
    whole = cardinal(m["whole"]) if m["whole"] else ""
    if not 0 < top < bottom <= 10:
        return f"{whole} {cardinal(m['top'])} {cardinal(m['bottom'])}"  # 24/7, 9/11: just the numbers
    part = {2: "half", 4: "quarter"}.get(bottom) or ordinal(m["bottom"])
    words = f"{cardinal(m['top'])} {part if top == 1 else plural(part)}"
    return f"{whole} and {words}" if whole else words


def _numbers_plural(m: re.Match[str]) -> str:
    """Read a plural: '1990s' -> 'nineteen nineties', '747s' -> 'seven hundred and forty sevens'."""
    digits = m["digits"]
    *first, last = (year(digits) if len(digits) == 4 else cardinal(digits)).split(" ")
    return " ".join([*first, plural(last)])


def _telephone(m: re.Match[str]) -> str:
    return ", ".join(read_digits(group) for group in re.findall(r"\d+", m[0]))


def rule(pattern: str, function: Callable[[re.Match[str]], str], flags: re.RegexFlag = re.NOFLAG) -> Rule:
    """Return a rule that replaces each match by the function's words, with spaces around them."""
    return re.compile(pattern, flags), lambda m: f" {function(m)} "


NUMBER_RULES: list[Rule] = [
    rule(r"\b(?P<year>\d{4})-(?P<month>0[1-9]|1[0-2])-(?P<day>0[1-9]|[12]\d|3[01])\b", _date),
    rule(
        r"(?<![\d/])(?:(?P<month>0?[1-9]|1[0-2])/(?P<day>0?[1-9]|[12]\d|3[01]))/(?P<year>1[1-9]\d\d|20\d\d)(?![\d/])",
        _date,
    ),
    rule(
        r"(?<![\d/])(?:(?P<month>1[3-9]|2\d|3[01])/(?P<day>0?[1-9]|1[0-2]))/(?P<year>1[1-9]\d\d|20\d\d)(?![\d/])",
        _date,
    ),
    rule(
        rf"\b(?P<day>[1-9]|[12]\d|3[01]) (?P<month>{NAMES_OF_MONTHS})\b(?=,? \d{{4}}\b|[,.;:!?)]|$)",
        lambda m: f"the {ordinal(m['day'])} of {m['month']}",
    ),
    rule(
        rf"\b(?P<month>{NAMES_OF_MONTHS}) (?P<day>[1-9]|[12]\d|3[01])(?=[,.;:!?)](?!\d)|$|,? \d{{4}}\b"
        r"| (?:at|and|in|is|was|to|through|until|for|with|from|the|we|I|he|she|it|they)\b)",
        lambda m: f"{m['month']} {ordinal(m['day'])}",
    ),
    rule(r"(?<=[\w)])\^(?P<power>\d{1,4})\b", _power),
    rule(
        r"(?<![\d:])(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d))?(?![\d:])"
        r"(?:\s*(?P<half>[ap])\s?m\b)?",
        _time,
        re.IGNORECASE,
    ),
    rule(r"(?<=\d)\s?(?P<half>[ap])m\b", lambda m: m["half"].upper() + " M", re.IGNORECASE),
    rule(r"(?<![\w-])(?:\+?\d{1,2}[ -])?(?:\(?\d{3}\)?[ -])?\d{3}-\d{4}\b", _telephone),
    rule(
        rf"(?:\b(?P<country>US|HK|[ACN]Z?))?(?P<currency>[$£€¥])\s?(?P<amount>{NUMBER})"
        r"(?:\s?(?P<magnitude>hundred|thousand|million|billion|trillion|k|mn?|bn?|tn)\b)?",
        _money,
        re.IGNORECASE,
    ),
    rule(
        rf"(?P<amount>{NUMBER})\s?(?P<code>{'|'.join(CODES)})\b",
        lambda m: _count(m["amount"], CODES[m["code"]]),
    ),
    rule(rf"(?P<amount>{NUMBER})\s?¢", lambda m: _count(m["amount"], "cent")),
    rule(r"(?:\b(?P<whole>\d+) )?(?<![\d/.])(?P<top>\d+)/(?P<bottom>\d+)\b(?!/)", _fraction),
    rule(r"(?<=\d)/(?=\d)", lambda m: ""),
    rule(r"\b(?P<digits>\d+(?:,\d{3})*)(?:st|nd|rd|th)\b", lambda m: ordinal(m["digits"]), re.IGNORECASE),
    rule(r"(?<![\w.])'?(?P<digits>\d+)'?s\b", _numbers_plural),
    rule(r"(?<=\d)\s?-\s?(?=[$£€¥]?\d)", lambda m: "to"),
    rule(r"(?<=\d):(?=\d)", lambda m: "to"),
    rule(r"(?<![\w.])-(?=\.?\d)", lambda m: "minus"),
    rule(r"#\s?(?=\d)", lambda m: "number"),
    rule(r"~\s?(?=\d)", lambda m: "about"),
    rule(
        rf"(?:\b(?P<article>an?)\s)?(?<![\w.])(?P<amount>{NUMBER})\s?"
        rf"(?P<unit>{'|'.join(sorted(UNITS, key=len, reverse=True))})(?![\w'/])"
        r"(?:\.(?=\s+[a-z]))?",
        _measure,
        re.IGNORECASE,
    ),
    rule(rf"(?P<amount>{NUMBER})\s?%", lambda m: f"{number(m['amount'])} percent"),
    rule(r"(?<![\w.,])(?P<year>1[1-9]\d\d|20\d\d)(?!\d|[.,]\d)", lambda m: year(m["year"])),
    rule(NUMBER, lambda m: number(m[0])),
]

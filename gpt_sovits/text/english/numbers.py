"""English numbers in words: amounts, money, times, dates, years, fractions, ranges and signs.

The order of NUMBER_RULES matters: dates and telephone numbers come before ranges, and ranges before amounts.
"""

import re

from gpt_sovits.text.english.identifiers import IDENTIFIER_RULES
from gpt_sovits.text.english.numerals import (
    NUMBER,
    RANGE,
    Rule,
    cardinal,
    count,
    number,
    ordinal,
    plural,
    rule,
    year,
)
from gpt_sovits.text.english.units import UNIT_RULES

CODES = {"USD": "US dollar", "EUR": "euro", "GBP": "pound", "JPY": "yen", "CNY": "yuan"}
CURRENCIES = {"$": ("dollar", "cent"), "£": ("pound", "penny"), "€": ("euro", "cent"), "¥": ("yen", "")}
MAGNITUDES = {"k": "thousand", "m": "million", "mn": "million", "b": "billion", "bn": "billion", "tn": "trillion"}
MONTHS = [
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
]  # fmt: skip
NAMES_OF_MONTHS = "|".join(MONTHS)
NAMES_OF_DAYS = "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday|Mon|Tue|Wed|Thu|Fri|Sat|Sun"


def _money(m: re.Match[str]) -> str:
    words = _amount(m)
    return re.sub(r"\b(?=dollars?\b)", f"{m['country']} ", words) if m["country"] else words


def _amount(m: re.Match[str]) -> str:
    unit, small_unit = CURRENCIES[m["currency"]]
    amount = m["amount"].replace(",", "")
    if m["until"]:
        last = f"{number(m['until'])} {MAGNITUDES.get((m['magnitude'] or '').lower(), m['magnitude'] or '')}".strip()
        return f"{number(amount)} to {last} {plural(unit)}"
    if m["magnitude"]:
        magnitude = m["magnitude"].lower()
        return f"{number(amount)} {MAGNITUDES.get(magnitude, magnitude)} {plural(unit)}"
    whole, _, cents = amount.partition(".")
    if not small_unit or len(cents) != 2:
        return count(amount, unit)
    large = count(whole or "0", unit)
    small = count(str(int(cents)), small_unit)
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
        words.append("and " + count(str(int(m["second"])), "second"))
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
    sign = "minus " if m["power"].startswith("-") else ""
    return {"2": "squared", "3": "cubed"}.get(m["power"]) or f"to the power of {sign}{number(m['power'].lstrip('-'))}"


def _range(m: re.Match[str]) -> str:
    """Mark the dash of a range. A dash between spaces before a smaller number is a pause: in 2019 - 5 years ago."""
    spaced = m["dash"].strip() != m["dash"]
    first = re.search(r"\d+$", m.string[: m.start()] + m["end"][0])
    if spaced and m["dash"] != " - " and first and int(m["start"].lstrip("$£€¥")) < int(first[0]):
        return m[0]
    return f"{m['end']}{RANGE}{m['start']}"


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


DATE_RULES: list[Rule] = [
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
]
# dashes between numbers are ranges, dashes before a number are signs. Subtraction has the minus sign or an equals sign
_END = r"(?P<end>\d(?:%|\s?°[CF]?|\s?[ap]\.?m\.?|\s?[a-z]{1,2})?)"
SIGN_RULES: list[Rule] = [
    rule(r"(?<=\d)\s?−\s?(?=\d)|(?<=\d)\s-\s(?=[\d.,]+\s*=)", lambda m: "minus"),
    rule(r"(?<=\b[AP] M)\s+[-–—]\s?(?=\d)", lambda m: "to"),
    rule(r"(?<![\w.%°)^])[-–−](?=[$£€¥]?\.?\d)", lambda m: "minus"),
    (re.compile(rf"{_END}(?P<dash>[-–—]|\s[-–—]\s)(?P<start>[$£€¥]?\d+)"), _range),
]  # fmt: skip
AMOUNT_RULES: list[Rule] = [
    rule(r"(?<=[\w)])\^(?P<power>-?\d{1,4})\b", _power),
    rule(
        r"(?<![\d:])(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d))?(?![\d:])"
        r"(?:\s*(?P<half>[ap])\s?m\b)?",
        _time,
        re.IGNORECASE,
    ),
    rule(r"(?<=\d)\s?(?P<half>[ap])m\b", lambda m: m["half"].upper() + " M", re.IGNORECASE),
    rule(
        rf"(?:\b(?P<country>US|HK|[ACN]Z?))?(?P<currency>[$£€¥])\s?(?P<amount>{NUMBER})(?:{RANGE}(?P<until>{NUMBER}))?"
        r"(?:\s?(?P<magnitude>hundred|thousand|million|billion|trillion|k|mn?|bn?|tn)\b)?",
        _money,
        re.IGNORECASE,
    ),
    rule(
        rf"(?P<amount>{NUMBER})\s?(?P<code>{'|'.join(CODES)})\b",
        lambda m: count(m["amount"], CODES[m["code"]]),
    ),
    rule(rf"(?P<amount>{NUMBER})\s?¢", lambda m: count(m["amount"], "cent")),
    rule(r"(?:\b(?P<whole>\d+) )?(?<![\d/.])(?P<top>\d+)/(?P<bottom>\d+)\b(?!/)", _fraction),
    rule(r"(?<=\d)/(?=\d)", lambda m: ""),
    rule(r"\b(?P<digits>\d+(?:,\d{3})*)(?:st|nd|rd|th)\b", lambda m: ordinal(m["digits"]), re.IGNORECASE),
    rule(r"(?<![\w.])'?(?P<digits>\d+)'?s\b", _numbers_plural),
    rule(r"(?<=\d):(?=\d)", lambda m: "to"),
    rule(r"#\s?(?=\d)", lambda m: "number"),
    rule(r"~\s?(?=\d)", lambda m: "about"),
]
LAST_RULES: list[Rule] = [
    rule(rf"(?P<amount>{NUMBER})\s?%", lambda m: f"{number(m['amount'])} percent"),
    rule(r"(?<![\w.,])(?P<year>1[1-9]\d\d|20\d\d)(?!\d|[.,]\d)", lambda m: year(m["year"])),
    rule(NUMBER, lambda m: number(m[0])),
    rule(RANGE, lambda m: "to"),
]
NUMBER_RULES: list[Rule] = [*DATE_RULES, *IDENTIFIER_RULES, *SIGN_RULES, *AMOUNT_RULES, *UNIT_RULES, *LAST_RULES]

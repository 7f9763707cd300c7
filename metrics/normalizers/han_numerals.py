"""Numerals of Chinese and Japanese as digits, so that 三百五十 and 350, 一九八七年 and 1987年 are the same."""

import re
from decimal import Decimal

DIGITS = "零一二三四五六七八九"
PLACES = {"十": 10, "百": 100, "千": 1000, "万": 10**4, "亿": 10**8, "億": 10**8, "兆": 10**12}
NUMERAL = f"0-9{DIGITS}{''.join(PLACES)}"  # inside a character class
_TO_ASCII = str.maketrans(DIGITS, "0123456789")
_TOKEN = re.compile(rf"[0-9]+|[{''.join(PLACES)}]")
_MAX_LENGTH = 40  # no one says a longer number with its places


def numerals_as_digits(text: str, start: str = "十", short: bool = True) -> str:
    """Every number in digits; one of a single digit as its numeral, which most of them are in words such as 一起.

    text: without spaces or marks, 点 for the decimal point. start: a pattern for places that may begin a number.
    short: 三百五 is 350 and 一万二 12000, as in Chinese; otherwise 305 and 10002.
    """
    digit = f"[0-9{DIGITS}]"
    number = rf"(?:{digit}|{start})[{NUMERAL}]*"
    decimal = rf"(?P<whole>{number})点(?P<part>{digit}+)(?P<place>[万亿億兆])(?P<rest>[{NUMERAL}]*)"

    def in_digits(m: re.Match[str]) -> str:
        if len(m[0]) > _MAX_LENGTH and set(m[0]) & set(PLACES):
            return m[0]
        if m["place"] is None:
            return _shown(_digits(m[0], short))
        value = Decimal(f"{_digits(m['whole'], short)}.{m['part'].translate(_TO_ASCII)}") * PLACES[m["place"]]
        whole, _, part = format(value, "f").partition(".")
        rest = _digits(m["rest"], short) if m["rest"] else ""
        part = part.rstrip("0")
        return f"{whole}点{_shown(part + rest)}" if part else _shown(whole + rest)

    return re.sub(f"{decimal}|{number}", in_digits, text)


def _shown(digits: str) -> str:
    return DIGITS[int(digits)] if len(digits) == 1 else digits


def _digits(run: str, short: bool) -> str:
    """The digits of numbers written without anything between them, one after the other: 三百二十 -> 320."""
    numbers: list[str] = []
    total = section = 0  # of the number at hand: up to its last 万, and since
    last = big = 0  # the places that it had last, any and from 万 on; 0 for none
    tokens = _TOKEN.findall(run.translate(_TO_ASCII))
    waiting = ""  # digits whose place comes next

    def end() -> None:
        nonlocal total, section, last, big
        if last:
            numbers.append(str(total + section))
        total = section = last = big = 0

    for token in [*tokens, ""]:
        place = PLACES.get(token, 0)
        if waiting and not place:  # the last digits
            value = int(waiting) if last else 0
            if not last or value >= last:
                end()
                numbers.append(waiting)
            else:
                section += value * (last // 10 if short and len(waiting) == 1 and last >= 100 else 1)
                end()
            waiting = ""
        if not place:
            waiting = token
            continue
        value, has_digits, waiting = int(waiting or 1), bool(waiting), ""
        if place < PLACES["万"]:
            if last and has_digits and (place >= last or value * place >= last):  # 五十六十 are two numbers
                end()
            if last and not has_digits and place >= last:
                section = (section or 1) * place
            else:
                section += value * place
            last = place
            continue
        if last and has_digits and value >= last:
            end()
        group = section + value * has_digits
        if big and place == big and group:  # 三万五万
            section = 0
            end()
        total = (total + group) * place if place >= big else total + group * place
        section, last, big = 0, place, place
    end()
    return "".join(numbers)

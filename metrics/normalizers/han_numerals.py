"""Numerals of Chinese and Japanese as digits, so that 三百五十 and 350, 一九八七年 and 1987年 are the same."""

import re
from decimal import Decimal

DIGITS = "零一二三四五六七八九"
PLACES = {"十": 10, "百": 100, "千": 1000, "万": 10**4, "亿": 10**8, "億": 10**8, "兆": 10**12}
NUMERAL = f"0-9{DIGITS}{''.join(PLACES)}"  # inside a character class
_TO_ASCII = str.maketrans(DIGITS, "0123456789")
_TOKEN = re.compile(rf"[0-9]+|[{''.join(PLACES)}]")
_MAX_LENGTH = 40  # nobody says a longer number with its places


def numerals_as_digits(text: str, start: str = "十", *, short: bool = True) -> str:
    """Write every number in digits.

    A number of a single digit becomes a numeral, because most of these are in words such as 一起.

    Args:
        text: without spaces or marks, with 点 as the decimal point.
        start: pattern of the places that may begin a number.
        short: whether 三百五 is 350 and 一万二 is 12000, as in Chinese. Otherwise they are 305 and 10002.
    """
    digit = f"[0-9{DIGITS}]"
    number = rf"(?:{digit}|{start})[{NUMERAL}]*"
    decimal = rf"(?P<whole>{number})点(?P<part>{digit}+)(?P<place>[万亿億兆])(?P<rest>[{NUMERAL}]*)"

    def in_digits(m: re.Match[str]) -> str:
        if len(m[0]) > _MAX_LENGTH and set(m[0]) & set(PLACES):
            return m[0]
        if m["place"] is None:
            return _numeral_or_digits(_digits(m[0], short))
        value = Decimal(f"{_digits(m['whole'], short)}.{m['part'].translate(_TO_ASCII)}") * PLACES[m["place"]]
        whole, _, part = format(value, "f").partition(".")
        rest = _digits(m["rest"], short) if m["rest"] else ""
        part = part.rstrip("0")
        return f"{whole}点{_numeral_or_digits(part + rest)}" if part else _numeral_or_digits(whole + rest)

    return re.sub(f"{decimal}|{number}", in_digits, text)


def _numeral_or_digits(digits: str) -> str:
    return DIGITS[int(digits)] if len(digits) == 1 else digits


def _digits(run: str, short: bool) -> str:
    """Return the digits of numbers written one after the other with nothing between them: 三百二十 -> 320."""
    numbers: list[str] = []
    total = section = 0  # of the current number: up to its last 万, and after it
    last = big = 0  # its last place, and its last place from 万 on; 0 for none
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

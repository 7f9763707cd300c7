"""Chinese numerals: numbers in characters, for Mandarin and Cantonese."""

import re

DIGITS = "零一二三四五六七八九"
PLACES = ("", "十", "百", "千")
MAX_CARDINAL_DIGITS = 16  # beyond that a number is read digit by digit
TELEPHONE_DIGITS = str.maketrans("0123456789", "零幺二三四五六七八九")  # yī sounds like qī on the telephone


def read_digits(digits: str, *, telephone: bool = False) -> str:
    """Return digits in characters, one by one: '907' -> '九零七'. In telephone numbers 1 is 幺."""
    return digits.translate(TELEPHONE_DIGITS) if telephone else "".join(DIGITS[int(digit)] for digit in digits)


def cardinal(digits: str, two: str = "两") -> str:
    """Return a whole number in characters: '1024' -> '一千零二十四', '2000' -> '两千'.

    Numbers with a leading zero or with more than MAX_CARDINAL_DIGITS digits are read digit by digit.

    Args:
        digits: Digits, with or without commas between groups of three.
        two: The character for a leading 2 before 千, 万 and 亿. Elsewhere it is 二.
    """
    plain = digits.replace(",", "")
    if (plain.startswith("0") and len(plain) > 1) or len(plain) > MAX_CARDINAL_DIGITS:
        return read_digits(plain)
    if not plain.strip("0"):
        return DIGITS[0]
    return re.sub("^二(?=[千万亿])", two, re.sub("^一十", "十", _words(int(plain))))


def number(text: str, point: str = "点", two: str = "两") -> str:
    """Return a number in characters.

    It may be whole, a decimal ('3.14' -> '三点一四') or a version ('3.11.2' -> '三点十一点二'). Addresses with groups
    of three digits (192.168.1.1) are read digit by digit.

    Args:
        text: Digits, points and commas.
        point: The character for a point.
        two: See `cardinal`.
    """
    whole, *parts = text.replace(",", "").split(".")
    if len(parts) > 1:
        read = read_digits if any(len(part) > 2 for part in (whole, *parts)) else cardinal
        return point.join(read(part) for part in (whole, *parts))
    words = cardinal(whole or "0", two)
    return words + point + read_digits(parts[0]) if parts and parts[0] else words


def _words(value: int) -> str:
    """Return 1 to 10^16 - 1 in characters, with 一十 for ten, and 零 where a place between two others is empty."""
    for size, unit in ((10**8, "亿"), (10**4, "万")):
        if value >= size:
            high, low = divmod(value, size)
            gap = DIGITS[0] if 0 < low < size // 10 else ""
            return _words(high) + unit + gap + (_words(low) if low else "")
    words, gap = "", ""
    for place in (3, 2, 1, 0):
        digit = value // 10**place % 10
        if digit:
            words, gap = words + gap + DIGITS[digit] + PLACES[place], ""
        elif words:
            gap = DIGITS[0]
    return words

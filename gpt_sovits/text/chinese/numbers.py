"""Chinese numerals: what a number is called in characters, for Mandarin and Cantonese alike."""

import re

DIGITS = "零一二三四五六七八九"
PLACES = ("", "十", "百", "千")
MAX_CARDINAL_DIGITS = 16  # beyond that a number is read digit by digit
TELEPHONE = str.maketrans("0123456789", "零幺二三四五六七八九")  # yī sounds like qī on the telephone


def one_by_one(digits: str, telephone: bool = False) -> str:
    """'907' -> '九零七'; on the telephone 1 is 幺."""
    return digits.translate(TELEPHONE) if telephone else "".join(DIGITS[int(digit)] for digit in digits)


def cardinal(digits: str, two: str = "两") -> str:
    """'1024' -> '一千零二十四', '2000' -> '两千'; after a leading zero, or very long, digit by digit.

    two: what a leading 2 is called before 千, 万 and 亿; elsewhere it is 二.
    """
    plain = digits.replace(",", "")
    if (plain.startswith("0") and len(plain) > 1) or len(plain) > MAX_CARDINAL_DIGITS:
        return one_by_one(plain)
    if not plain.strip("0"):
        return DIGITS[0]
    return re.sub("^二(?=[千万亿])", two, re.sub("^一十", "十", _words(int(plain))))


def number(text: str, point: str = "点", two: str = "两") -> str:
    """Whole numbers, decimals ('3.14' -> '三点一四') and versions ('3.11.2' -> '三点十一点二'), '1,234.5' too.

    Addresses with groups of three digits (192.168.1.1) are read digit by digit.
    """
    whole, *parts = text.replace(",", "").split(".")
    if len(parts) > 1:
        read = one_by_one if any(len(part) > 2 for part in (whole, *parts)) else cardinal
        return point.join(read(part) for part in (whole, *parts))
    words = cardinal(whole or "0", two)
    return words + point + one_by_one(parts[0]) if parts and parts[0] else words


def _words(value: int) -> str:
    """1 to 10^16 - 1, with 一十 for ten everywhere; 零 where a place between two others is empty."""
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

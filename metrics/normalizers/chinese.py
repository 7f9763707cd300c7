"""Mandarin and Cantonese for scoring: simplified characters, numbers in digits, one spelling for what sounds the same.

Cantonese is compared in simplified characters too. Traditional ones have variants (裏 裡, 綫 線) that judges mix, and
these become one. The characters that become equal are read alike in nearly every word.
"""

from collections.abc import Callable
from functools import cache

from metrics.normalizers.characters import (
    CLOCK,
    DATE,
    NUMBER,
    Rule,
    apply_rules,
    clock,
    close_up,
    money,
    space_units,
    unify_characters,
    units_of_measure,
)
from metrics.normalizers.han_numerals import DIGITS, NUMERAL, numerals_as_digits

_SIGNS: list[Rule] = [
    (CLOCK, lambda m: clock(m, "点")),
    (DATE, r"\1年\3月\4日"),
    (rf"({NUMBER})\s?%", r"百分之\1"),
    (rf"({NUMBER})\s?‰", r"千分之\1"),
    (r"(?<![0-9/])([0-9]+)/([0-9]+)(?![0-9/])", r"\2分之\1"),
    *units_of_measure({"°c": "摄氏度", "°": "度"}),
    (r"(?<![0-9a-z])[-−](?=[0-9])", "负"),
    (r"(?<=[0-9])\.(?=[0-9])", "点"),
]
_MANDARIN_SIGNS = [
    *money({"us$": "美元", "hk$": "港元", "$": "美元", "¥": "元", "€": "欧元", "£": "英镑"}),
    (r"(?<=[0-9])\s?[~〜]\s?(?=[0-9])", "到"),
    *_SIGNS,
]
_CANTONESE_SIGNS = [
    *money({"us$": "美元", "hk$": "蚊", "$": "蚊", "¥": "元", "€": "欧元", "£": "英镑"}),
    (r"(?<=[0-9])\s?[~〜]\s?(?=[0-9])", "至"),
    *_SIGNS,
]
# for text without marks between a number and letters
_UNITS = units_of_measure({"km": "公里", "cm": "厘米", "mm": "毫米", "m": "米", "kg": "公斤", "g": "克"}, NUMERAL)
_NUMERALS: list[Rule] = [
    ("〇", "零"),
    ("两", "二"),
    ("廿", "二十"),
    ("卅", "三十"),
    (rf"(?<=[{NUMERAL}幺])幺|幺(?=[{NUMERAL}幺])", "一"),  # 1 on the telephone
]
_TIMES: list[Rule] = [
    (rf"(?<=[{DIGITS}0-9]点)半(?![{NUMERAL}])", "30"),
    (rf"(?<=点)([0-5][0-9])分(?![之{NUMERAL}])", r"\1"),  # 七点四十五分 is 7:45, with and without its 分
]
# what sounds the same, or nearly, and is written by habit
_MANDARIN_SPELLINGS: list[Rule] = [
    ("[她它牠祂]", "他"),
    ("妳", "你"),
    ("甚么", "什么"),
    ("惟一", "唯一"),
    ("身分", "身份"),
]
_CANTONESE_SPELLINGS: list[Rule] = [
    ("[俾比]", "畀"), ("黎", "嚟"), ("既", "嘅"), ("左", "咗"), ("野", "嘢"), ("地", "哋"), ("架", "㗎"), ("噉", "咁"),
    ("番", "返"), ("训", "瞓"), ("岩", "啱"), ("枱", "台"), ("[依宜]家", "而家"), ("嗰", "个"),
    ("(?<![a-z])d(?![a-z])", "啲"),
]  # fmt: skip


@cache
def _simplified() -> Callable[[str], str]:
    import opencc

    return opencc.OpenCC("t2s").convert


def normalize_mandarin(text: str) -> str:
    """Normalise Mandarin. See metrics.normalize.normalize_text."""
    return _normalize(text, _MANDARIN_SIGNS, _MANDARIN_SPELLINGS)


def normalize_cantonese(text: str) -> str:
    """Normalise Cantonese. See metrics.normalize.normalize_text."""
    return _normalize(text, _CANTONESE_SIGNS, _CANTONESE_SPELLINGS)


def _normalize(text: str, signs: list[Rule], spellings: list[Rule]) -> str:
    characters = _simplified()(close_up(apply_rules(unify_characters(text), signs)))
    numbered = numerals_as_digits(apply_rules(characters, [*spellings, *_NUMERALS, *_UNITS]))
    return space_units(apply_rules(numbered, _TIMES))

"""Japanese for scoring: hiragana for katakana, numbers in digits, kana for words that are written either way."""

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
    *money({"$": "ドル", "¥": "円", "€": "ユーロ", "£": "ポンド"}),
    (CLOCK, lambda m: clock(m, "時", "分")),
    (DATE, r"\1年\3月\4日"),
    (rf"({NUMBER})\s?%", r"\1パーセント"),
    (r"(?<![0-9/])([0-9]+)/([0-9]+)(?![0-9/])", r"\2分の\1"),
    *units_of_measure({"°c": "度", "°": "度"}),
    (r"(?<=[0-9])\s?[~〜]\s?(?=[0-9])", "から"),
    (r"(?<![0-9a-z])[-−](?=[0-9])", "マイナス"),
    (r"(?<=[0-9])\.(?=[0-9])", "点"),
]  # fmt: skip
# words that are written in kanji or kana as the writer likes
_KANJI_AND_KANA: list[Rule] = [
    ("出来", "でき"), ("下さ", "くださ"), ("有難う|有り難う", "ありがとう"), ("御座い", "ござい"), ("致し", "いたし"),
    ("宜しく", "よろしく"), ("頂(?=[いきけくか])", "いただ"), ("子供|子ども", "こども"), ("友達", "友だち"),
    ("達(?=が|は|の|を|に|も|$)", "たち"), ("一緒", "いっしょ"), ("色々|色色", "いろいろ"), ("様々|様様", "さまざま"),
    ("全て", "すべて"), ("沢山", "たくさん"), ("丁度", "ちょうど"), ("暫く", "しばらく"), ("綺麗|奇麗", "きれい"),
    ("美味し", "おいし"), ("欲し", "ほし"), ("良い|好い", "よい"), ("無い", "ない"), ("無く", "なく"),
    ("為に", "ために"), ("分か(?=[らりるれろっ])", "わか"), ("一旦", "いったん"), ("既に", "すでに"),
    ("例えば", "たとえば"), ("殆ど", "ほとんど"), ("是非", "ぜひ"), ("僕", "ぼく"), ("俺", "おれ"),
    ("貴方", "あなた"), ("何処", "どこ"), ("何時も", "いつも"), ("此処", "ここ"), ("更に", "さらに"),
    ("又は", "または"), ("但し", "ただし"), ("事(?=[がをにはもで])", "こと"), ("ひとつ", "一つ"), ("ふたつ", "二つ"),
    ("みっつ", "三つ"), ("よっつ", "四つ"), ("いつつ", "五つ"), ("ひとり", "一人"), ("ふたり", "二人"),
]  # fmt: skip
_KATAKANA: list[Rule] = [
    (r"([ァ-ヺ][ァ-ヺー]{2,}?)ー+(?![ァ-ヺー])", r"\1"),  # コンピューター, コンピュータ
    *[(f"ヴ{small}", large) for small, large in zip("ァィェォ", "バビベボ", strict=True)],
    ("ヴ", "ブ"),
]
_SIGNS_OF_WRITING: list[Rule] = [
    (r"(.)(々+)", lambda m: m[1] * (1 + len(m[2]))),
    (rf"(?<=[{NUMERAL}何数])[ヶケヵカ箇個](?=[月所国年条])", "か"),
    ("〇", "零"),
]
# for text without marks between a number and letters
_UNITS = units_of_measure(
    {
        "km": "キロメートル",
        "cm": "センチメートル",
        "mm": "ミリメートル",
        "m": "メートル",
        "kg": "キログラム",
        "g": "グラム",
    },
    NUMERAL,
)
_WORDS = [*_SIGNS_OF_WRITING, *_KATAKANA, *_KANJI_AND_KANA, *_UNITS]
_HALF_PAST: Rule = (rf"(?<=[{DIGITS}0-9]時)半", "30分")
# 百円 and 千九百 are numbers, 百貨店 and 千葉 are not
_PLACE_FIRST = rf"十|[百千](?=[{NUMERAL}円年人個本回名冊枚])"
_HIRAGANA = {code: code - 0x60 for code in range(ord("ァ"), ord("ヶ") + 1)}


def normalize_japanese(text: str) -> str:
    """Normalise Japanese. See metrics.normalize.normalize_text."""
    characters = apply_rules(close_up(apply_rules(unify_characters(text), _SIGNS)), _WORDS)
    numbered = numerals_as_digits(characters, start=_PLACE_FIRST, short=False)
    return space_units(apply_rules(numbered, [_HALF_PAST]).translate(_HIRAGANA))

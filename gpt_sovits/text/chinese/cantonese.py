"""Cantonese: characters to Jyutping (ToJyutping's dictionary), Jyutping to the table's symbols.

The rules of gpt_sovits.text.chinese.normalization read numbers, dates and units, in Cantonese words. The dictionary
knows traditional characters better, so simplified ones are looked up as the traditional ones.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from gpt_sovits.text.alphabets import HAN, MAIN_PLACEHOLDERS
from gpt_sovits.text.chinese.jyutping_symbols import jyutping_to_symbols
from gpt_sovits.text.chinese.normalization import MANDARIN, Dialect
from gpt_sovits.text.lexicon import Entry
from gpt_sovits.text.symbols import PUNCTUATION

PARTS = re.compile(f"[{MAIN_PLACEHOLDERS}]|[{HAN}]+|.")
# words of the normalization rules in Cantonese, then their characters in traditional ones
WORDS = {"幺": "一", "到": "至", "公里": "公里", "厘米": "厘米", "分钟": "分鐘", "冒号": "冒號"}
TRADITIONAL = str.maketrans(
    "负点两万亿号个数时钟秒顿吨级纳方毫升伏频赫兆吉贝帧摄华零几欧镑韩币台帕项阵约于为极杠线问号无穷双边"
    "马尔贡艾纽缪陶欧伽伊约飞",
    "負點兩萬億號個數時鐘秒頓噸級納方毫升伏頻赫兆吉貝幀攝華零幾歐鎊韓幣台帕項陣約於為極槓線問號無窮雙邊"
    "馬爾貢艾紐繆陶歐伽伊約飛",
)
CORRECTIONS = {  # what the dictionary lacks or people read differently. Entries of one character do not touch words
    "行長": "hong4 zoeng2", "銀行行長": "ngan4 hong4 hong4 zoeng2", "軟件": "jyun5 gin2", "分之": "fan6 zi1",
    "個女": "go3 neoi2", "坐": "co5", "請": "cing2", "呢": "ni1", "上樓": "soeng5 lau2",
    "返": "faan1", "真係咁": "zan1 hai6 gam3", "真係咁樣": "zan1 hai6 gam2 joeng6", "一行人": "jat1 hang4 jan4",
    "返回": "faan2 wui4", "往返": "wong5 faan2", "重返": "cung4 faan2", "返老還童": "faan2 lou5 waan4 tung4",
    "長高": "zoeng2 gou1", "一覺": "jat1 gaau3", "瞓着": "fan3 zoek6", "瞓著": "fan3 zoek6",
}  # fmt: skip
# digits in a row are read one by one: the dictionary has words like 二六 with other tones
DIGIT_READINGS = dict(
    zip(
        "零一二三四五六七八九",
        ["ling4", "jat1", "ji6", "saam1", "sei3", "ng5", "luk6", "cat1", "baat3", "gau2"],
        strict=True,
    )
)
FINAL_NE = "ne1"  # at the end of a phrase 呢 is the particle
VERBS = (  # before a number of storeys or steps, where the dictionary sees a word with the character before: 鋼琴行
    (re.compile("上(?=[零一二兩三四五六七八九十百]+(?:樓|層))"), "soeng5"),
    (re.compile("行(?=[零一二兩三四五六七八九十百]+(?:樓|層|步))"), "haang4"),
)


def _wording(words: str) -> str:
    for mandarin, cantonese in WORDS.items():
        words = words.replace(mandarin, cantonese)
    return words.translate(TRADITIONAL)


CANTONESE = Dialect(
    name="Cantonese",
    wording=_wording,
    address_words=MANDARIN.address_words
    | {"@": " at ", ".": " dot ", "/": " slash ", "-": " dash ", "_": " underscore "},
    telephone_one=False,
)


def text_to_character_symbols(spoken: str, placeholders: Mapping[str, Entry]) -> list[tuple[str, tuple[str, ...]]]:
    """Return (character, symbols) for each character of a Cantonese text except white space.

    Args:
        spoken: A text after `normalization.spoken_form` for CANTONESE, without Latin words.
        placeholders: The private-use characters of the text that stand for words of the lexicon.

    Raises:
        ValueError: If the dictionary cannot read a character.
    """
    characters: list[tuple[str, tuple[str, ...]]] = []
    for part in PARTS.findall(spoken):
        if part in placeholders:
            characters += placeholders[part].parts
        elif part in PUNCTUATION:
            characters.append((part, (part,)))
        elif not part.isspace():
            characters += _read(part)
    return characters


def _read(text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    traditional = to_traditional(text)
    verbs = {match.start(): reading for verb, reading in VERBS for match in verb.finditer(traditional)}
    for i, (_, jyutping) in enumerate(_dictionary().get_jyutping_list(traditional)):
        character = text[i]
        if character in DIGIT_READINGS and set(text[max(0, i - 1) : i + 2].replace(character, "", 1)) & set(
            DIGIT_READINGS
        ):
            jyutping = DIGIT_READINGS[character]
        elif i in verbs:
            jyutping = verbs[i]
        elif character == "呢" and i == len(text) - 1:
            jyutping = FINAL_NE
        if jyutping is None:
            raise ValueError(f"no dictionary has a reading of {character!r} in Cantonese; add it to the lexicon")
        # a few characters stand for two syllables: 瓩 is cin1 ngaa5
        yield character, tuple(symbol for syllable in jyutping.split() for symbol in jyutping_to_symbols(syllable))


@functools.cache
def _dictionary() -> Any:
    import ToJyutping

    return ToJyutping.customize(CORRECTIONS)


@functools.cache
def _converter(name: str) -> Any:
    import opencc

    return opencc.OpenCC(name)


def to_traditional(text: str) -> str:
    """Return the text in traditional characters, one for one. A text that already has any is left as it is."""
    if _converter("t2s").convert(text) != text:
        return text
    converted = _converter("s2hk").convert(text)
    return converted if len(converted) == len(text) else text

"""Mandarin: characters to words, words to pinyin in context, pinyin to the table's symbols.

Words come from jieba's dictionary (rjieba), readings from pypinyin's dictionary of phrases, corrected and completed by
mandarin_words; mandarin_sandhi then changes the tones. Traditional characters are read as their simplified ones.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from gpt_sovits.text.alphabets import HAN, MAIN_MARKS
from gpt_sovits.text.chinese import mandarin_words
from gpt_sovits.text.chinese.mandarin_sandhi import Word, with_sandhi
from gpt_sovits.text.chinese.pinyin_symbols import symbols_of_pinyin
from gpt_sovits.text.lexicon import Entry
from gpt_sovits.text.symbols import PUNCTUATION

PARTS = re.compile(f"[{HAN}{MAIN_MARKS}]+|.")
WORD_OR_MARK = re.compile(f"[{MAIN_MARKS}]|[^{MAIN_MARKS}]+")
NUMBER = re.compile("(?:百分之)?[零一二两三四五六七八九十百千万亿点幺]{3,}")
NUMBER_FEET = re.compile("百分之|[一二两三四五六七八九十][十百千万亿]+|.")
COUNTING = set(mandarin_words.NUMERALS) | set("这那哪每某各")
FULL_LOCATIVES = set("以上 以下 之上 之下 天下 如下 地下 手下 公里 英里 海里 邻里 故里 乡里".split())  # noqa: SIM905
LOCATIVES = "上下里"  # neutral at the end of a place: 桌上, 家里


def characters_of(spoken: str, marks: Mapping[str, Entry]) -> list[tuple[str, tuple[str, ...]]]:
    """(character, its symbols) for each character of a Chinese text; white space has none and is left out.

    spoken: what chinese_text.spoken_form gives, without Latin words. marks: the lexicon's private-use characters.
    Raises ValueError for a character that no dictionary can read.
    """
    characters: list[tuple[str, tuple[str, ...]]] = []
    for part in PARTS.findall(spoken):
        if part in PUNCTUATION:
            characters.append((part, (part,)))
        elif not part.isspace():
            words = with_sandhi(list(_words(part, marks)))
            characters += [pair for word in words for pair in _pairs(word)]
    return characters


def _pairs(word: Word) -> list[tuple[str, tuple[str, ...]]]:
    if word.entry:
        return list(word.entry.parts)
    return [(c, symbols_of_pinyin(p)) for c, p in zip(word.text, word.pinyin, strict=True)]


def _words(phrase: str, marks: Mapping[str, Entry]) -> Iterator[Word]:
    """The words of a stretch of characters and lexicon marks with their citation tones."""
    context = "".join(marks[c].written if c in marks else c for c in simplified(phrase))
    start = 0
    for part in WORD_OR_MARK.findall(phrase):
        if part in marks:
            entry = marks[part]
            tones = [symbols[-1] for _, symbols in entry.parts if symbols[-1][-1].isdigit()]
            yield Word(entry.written, "", [f"lexicon{tone[-1]}" for tone in tones] or ["lexicon1"], entry)
            start += len(entry.written)
            continue
        position = 0
        for text, tag in _segmented(simplified(part)):
            pinyin = _neutralised(text, tag, _pinyin(text, context, start), context[:start])
            yield Word(part[position : position + len(text)], tag, pinyin)
            position += len(text)
            start += len(text)


def _segmented(text: str) -> Iterator[tuple[str, str]]:
    """(word, its part of speech) of jieba's dictionary; a number of three characters or more in its own feet."""
    import rjieba

    start = 0
    for number in NUMBER.finditer(text):
        yield from rjieba.tag(text[start : number.start()], True)
        yield from ((foot, "m") for foot in NUMBER_FEET.findall(number[0]))
        start = number.end()
    yield from rjieba.tag(text[start:], True)


@functools.cache
def _converter() -> Any:
    import opencc

    return opencc.OpenCC("t2s")


def simplified(text: str) -> str:
    """The same text in simplified characters, one for one, where they are ones that have a reading."""
    from pypinyin.constants import PINYIN_DICT

    converted = _converter().convert(text)
    if len(converted) != len(text):
        return text
    return "".join(new if ord(new) in PINYIN_DICT else old for new, old in zip(converted, text, strict=True))


def _pinyin(word: str, context: str, start: int) -> list[str]:
    """Citation tones of a word that stands at context[start:], by its longest known phrases, else by character."""
    pinyin: list[str] = []
    i = 0
    while i < len(word):
        length = next((n for n in range(len(word) - i, 1, -1) if _known(word[i : i + n])), 1)
        if length > 1:
            pinyin += _known(word[i : i + length])
        elif i == 0 and 1 < len(word) < 4 and word[0] in mandarin_words.SURNAMES and _is_name(word):
            pinyin.append(mandarin_words.SURNAMES[word[0]])
        else:
            pinyin.append(mandarin_words.reading_in_context(context, start + i) or _usual(word[i]))
        i += length
    return pinyin


def _known(word: str) -> list[str]:
    """The reading of a word or phrase that a table or pypinyin's dictionary has, else nothing."""
    if word in mandarin_words.CORRECTIONS:
        return mandarin_words.CORRECTIONS[word].split()
    if word not in _phrases():
        return []
    pinyin = _phrase(word)
    return [*pinyin[:-1], "zi3"] if pinyin[-1] == "zi5" and word[-2:] in mandarin_words.FULL_ZI else pinyin


@functools.cache
def _phrases() -> frozenset[str]:
    from pypinyin.constants import PHRASES_DICT

    return frozenset(PHRASES_DICT)


@functools.lru_cache(maxsize=20_000)
def _phrase(word: str) -> list[str]:
    from pypinyin import Style, lazy_pinyin

    return lazy_pinyin([word], style=Style.TONE3, neutral_tone_with_five=True, tone_sandhi=False)


def _usual(character: str) -> str:
    reading = _phrase(character)
    if not reading or not reading[0][-1:].isdigit() or character in reading[0]:
        raise ValueError(f"no dictionary knows how to read {character!r} in Chinese; put it into the lexicon")
    return reading[0]


def _is_name(word: str) -> bool:
    import rjieba

    return all(tag == "nr" for _, tag in rjieba.tag(word, True))


def _neutralised(word: str, tag: str, pinyin: list[str], before: str) -> list[str]:
    """The pinyin with neutral tones where speakers have them and the dictionary's citation tones have not."""
    tones = list(pinyin)

    def lighten(i: int) -> None:
        tones[i] = tones[i][:-1] + "5"

    words = mandarin_words.NEUTRAL
    if len(word) > 1 and (word[-2:] in words or _is_suffix_zi(word) or word in words):
        lighten(-1)
    if len(word) > 2 and word[:2] in words:
        lighten(1)
    if len(word) == 2 and word[0] == word[1] and word[0] in mandarin_words.DOUBLED_VERBS:
        lighten(-1)
    place = tag in ("s", "l", "f") or (tag == "n" and word[-1] == "里")
    if word[-1] in LOCATIVES and place and (before or len(word) > 1) and word not in FULL_LOCATIVES:
        lighten(-1)
    if word[-1] == "个" and (before + word)[-2:-1] in COUNTING:
        lighten(-1)
    if word == "过" and tag == "ug":
        lighten(-1)
    return tones


def _is_suffix_zi(word: str) -> bool:
    return word[-1] == "子" and not {word, word[-2:], word[-3:]} & mandarin_words.FULL_ZI

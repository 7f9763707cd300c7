"""Mandarin: characters to words, words to pinyin in context, pinyin to the table's symbols.

Words come from jieba's dictionary (rjieba), readings from pypinyin's dictionary of phrases. mandarin_words corrects and
completes them, then mandarin_sandhi changes the tones. Traditional characters are read as their simplified ones.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from gpt_sovits.text.alphabets import HAN, MAIN_PLACEHOLDERS
from gpt_sovits.text.chinese import mandarin_words
from gpt_sovits.text.chinese.mandarin_sandhi import Word, apply_sandhi
from gpt_sovits.text.chinese.pinyin_symbols import pinyin_to_symbols
from gpt_sovits.text.lexicon import Entry
from gpt_sovits.text.symbols import PUNCTUATION

PARTS = re.compile(f"[{HAN}{MAIN_PLACEHOLDERS}]+|.")
WORD_OR_MARK = re.compile(f"[{MAIN_PLACEHOLDERS}]|[^{MAIN_PLACEHOLDERS}]+")
NUMBER = re.compile("(?:百分之)?[零一二两三四五六七八九十百千万亿点幺]{3,}")
NUMBER_FOOT = re.compile("百分之|[一二两三四五六七八九十][十百千万亿]+|.")
WORDS_BEFORE_GE = set(mandarin_words.NUMERALS) | set("这那哪每某各")
FULL_LOCATIVES = set("以上 以下 之上 之下 天下 如下 地下 手下 公里 英里 海里 邻里 故里 乡里".split())  # noqa: SIM905
LOCATIVES = "上下里"  # neutral at the end of a place: 桌上, 家里


def text_to_character_symbols(spoken: str, placeholders: Mapping[str, Entry]) -> list[tuple[str, tuple[str, ...]]]:
    """Return (character, symbols) for each character of a Mandarin text except white space.

    Args:
        spoken: A text after `normalization.spoken_form` for MANDARIN, without Latin words.
        placeholders: The private-use characters of the text that stand for words of the lexicon.

    Raises:
        ValueError: If no dictionary can read a character.
    """
    characters: list[tuple[str, tuple[str, ...]]] = []
    for part in PARTS.findall(spoken):
        if part in PUNCTUATION:
            characters.append((part, (part,)))
        elif not part.isspace():
            words = apply_sandhi(list(_words(part, placeholders)))
            characters += [pair for word in words for pair in _character_symbols(word)]
    return characters


def _character_symbols(word: Word) -> list[tuple[str, tuple[str, ...]]]:
    if word.entry:
        return list(word.entry.parts)
    return [(c, pinyin_to_symbols(p)) for c, p in zip(word.text, word.pinyin, strict=True)]


def _words(phrase: str, placeholders: Mapping[str, Entry]) -> Iterator[Word]:
    """Yield the words of a phrase (characters and placeholders) with their citation tones."""
    context = "".join(placeholders[c].written if c in placeholders else c for c in to_simplified(phrase))
    start = 0
    for part in WORD_OR_MARK.findall(phrase):
        if part in placeholders:
            entry = placeholders[part]
            tones = [symbols[-1] for _, symbols in entry.parts if symbols[-1][-1].isdigit()]
            yield Word(entry.written, "", [f"lexicon{tone[-1]}" for tone in tones] or ["lexicon1"], entry)
            start += len(entry.written)
            continue
        position = 0
        for text, tag in _segment_words(to_simplified(part)):
            pinyin = _add_neutral_tones(text, tag, _pinyin(text, context, start), context[:start])
            yield Word(part[position : position + len(text)], tag, pinyin)
            position += len(text)
            start += len(text)


def _segment_words(text: str) -> Iterator[tuple[str, str]]:
    """Yield (word, part of speech) by jieba's dictionary. A number of three characters or more is cut into feet."""
    import rjieba

    start = 0
    for number in NUMBER.finditer(text):
        yield from rjieba.tag(text[start : number.start()], True)
        yield from ((foot, "m") for foot in NUMBER_FOOT.findall(number[0]))
        start = number.end()
    yield from rjieba.tag(text[start:], True)


@functools.cache
def _converter() -> Any:
    import opencc

    return opencc.OpenCC("t2s")


def to_simplified(text: str) -> str:
    """Return the text in simplified characters, one for one, where the simplified character has a reading."""
    from pypinyin.constants import PINYIN_DICT

    converted = _converter().convert(text)
    if len(converted) != len(text):
        return text
    return "".join(new if ord(new) in PINYIN_DICT else old for new, old in zip(converted, text, strict=True))


def _pinyin(word: str, context: str, start: int) -> list[str]:
    """Return the citation tones of the word at context[start:], by its longest known phrases, else by character."""
    pinyin: list[str] = []
    i = 0
    while i < len(word):
        length = next((n for n in range(len(word) - i, 1, -1) if _dictionary_reading(word[i : i + n])), 1)
        if length > 1:
            part = word[i : i + length]
            pinyin += mandarin_words.word_in_context(part, context, start + i) or _dictionary_reading(part)
        elif i == 0 and 1 < len(word) < 4 and word[0] in mandarin_words.SURNAMES and _is_name(word):
            pinyin.append(mandarin_words.SURNAMES[word[0]])
        else:
            pinyin.append(mandarin_words.reading_in_context(context, start + i) or _default_reading(word[i]))
        i += length
    return pinyin


def _dictionary_reading(word: str) -> list[str]:
    """Return the reading of a word or phrase in our table or in pypinyin's dictionary, empty if there is none."""
    if word in mandarin_words.CORRECTIONS:
        return mandarin_words.CORRECTIONS[word].split()
    if word not in _known_phrases():
        return []
    pinyin = _citation_tones(word)
    return [*pinyin[:-1], "zi3"] if pinyin[-1] == "zi5" and word[-2:] in mandarin_words.FULL_ZI else pinyin


@functools.cache
def _known_phrases() -> frozenset[str]:
    from pypinyin.constants import PHRASES_DICT

    return frozenset(PHRASES_DICT)


@functools.lru_cache(maxsize=20_000)
def _citation_tones(word: str) -> list[str]:
    from pypinyin import Style, lazy_pinyin

    return lazy_pinyin([word], style=Style.TONE3, neutral_tone_with_five=True, tone_sandhi=False)


def _default_reading(character: str) -> str:
    reading = _citation_tones(character)
    if not reading or not reading[0][-1:].isdigit() or character in reading[0]:
        raise ValueError(f"no dictionary has a reading of {character!r} in Chinese; add it to the lexicon")
    return reading[0]


def _is_name(word: str) -> bool:
    import rjieba

    return all(tag == "nr" for _, tag in rjieba.tag(word, True))


def _add_neutral_tones(word: str, tag: str, pinyin: list[str], before: str) -> list[str]:
    """Replace citation tones by neutral tones where speakers use them."""
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
    if word[-1] == "个" and (word == "个" or (before + word)[-2:-1] in WORDS_BEFORE_GE):
        lighten(-1)
    if word == "过" and tag == "ug" and before:  # at the start of a phrase it is a verb: 过两天
        lighten(-1)
    return tones


def _is_suffix_zi(word: str) -> bool:
    return word[-1] == "子" and not {word, word[-2:], word[-3:]} & mandarin_words.FULL_ZI

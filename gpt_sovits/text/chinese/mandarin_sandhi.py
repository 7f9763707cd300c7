"""Tones of Mandarin in connected speech: 一, 不, the third tone, and the 儿 of erhua.

The input has citation tones and neutral tones, the output the tones that are spoken. Third tones change inside a word
first, in feet of two syllables. Then they change between words that are short enough to be spoken together (three
syllables). Upstream's front end does the same, so the tones are those that the models were trained with.
"""

import dataclasses
import itertools

from gpt_sovits.text.chinese.mandarin_words import FULL_ER
from gpt_sovits.text.lexicon import Entry

DIGITS = set("零一二三四五六七八九幺")
BEFORE_DIGIT_ONE = DIGITS | set("十百千万亿点第初周期拜")
LARGE_UNITS = set("百千万亿")
ORDINAL_NOUNS = set("月号楼等级")  # 一 before them is a name: 一月, 一号, 一楼
NEUTRAL_FOURTH_TONES = set("个下样")  # neutral, but 一 and 不 change as before a fourth tone
MAX_JOINED = 3  # syllables of two words that are spoken together


@dataclasses.dataclass
class Word:
    """A word of a phrase.

    Attributes:
        text: The characters.
        tag: The part of speech as jieba names it.
        pinyin: One syllable with its tone per character.
        entry: The entry of the lexicon if the word comes from there.
    """

    text: str
    tag: str
    pinyin: list[str]
    entry: Entry | None = None


@dataclasses.dataclass
class Syllable:
    """A character with its pinyin.

    Attributes:
        character: The character.
        base: The pinyin without its tone.
        tone: "1" to "5".
        fixed: Whether the lexicon gives the tone, which then does not change.
    """

    character: str
    base: str
    tone: str
    fixed: bool


def apply_sandhi(words: list[Word]) -> list[Word]:
    """Return the words of a phrase without a pause, with the tones that are spoken."""
    spans = [
        [
            Syllable(character, pinyin[:-1], pinyin[-1], word.entry is not None)
            for character, pinyin in itertools.zip_longest(word.text[: len(word.pinyin)], word.pinyin, fillvalue="")
        ]
        for word in words
    ]
    flat = [syllable for span in spans for syllable in span]
    for i, syllable in enumerate(flat):
        if not syllable.fixed and syllable.character in ("一", "不"):
            at_end = any(syllable is span[-1] and len(span) > 1 for span in spans)
            syllable.tone = (_tone_of_one if syllable.character == "一" else _tone_of_not)(flat, i, at_end)
    for span, word in zip(spans, words, strict=True):
        _third_tones_inside(span, word)
    _third_tones_between(spans)
    for span, word in zip(spans, words, strict=True):
        _erhua(span, word.text, flat)
    return [
        word if word.entry else dataclasses.replace(word, pinyin=[s.base + s.tone for s in span])
        for span, word in zip(spans, words, strict=True)
    ]


def _tone_of_one(flat: list[Syllable], i: int, at_end: bool) -> str:
    before = flat[i - 1].character if i else ""
    after = flat[i + 1].character if i + 1 < len(flat) else ""
    beyond = flat[i + 2].character if i + 2 < len(flat) else ""
    if not after or (at_end and after not in LARGE_UNITS):
        return "1"
    counted_again = i > 1 and flat[i - 2].character == "一"  # 一步一步
    if before == after and after not in DIGITS and not counted_again:
        return "5"  # 看一看
    if after in LARGE_UNITS and after != before:
        return "2" if flat[i + 1].tone == "4" else "4"
    if before in BEFORE_DIGIT_ONE or after in DIGITS or after in ORDINAL_NOUNS:
        return "1"
    if (after == "点" and beyond in DIGITS) or (after == "日" and before == "月"):
        return "1"
    return "2" if flat[i + 1].tone == "4" or after in NEUTRAL_FOURTH_TONES else "4"


def _tone_of_not(flat: list[Syllable], i: int, at_end: bool) -> str:
    after = flat[i + 1] if i + 1 < len(flat) else None
    if flat[i].tone == "5" or (after and i and flat[i - 1].character == after.character):
        return "5"  # 差不多, 好不好
    return "2" if after and (after.tone == "4" or after.character in NEUTRAL_FOURTH_TONES) else "4"


def _third_tones_inside(span: list[Syllable], word: Word) -> None:
    feet = []
    position = 0
    for n in _feet(word.text[: len(span)]):
        feet.append(span[position : position + n])
        position += n
    for foot in feet:
        for first, second in itertools.pairwise(foot):
            _raise_third_tone(first, second)
    for foot, following in itertools.pairwise(feet):
        _raise_third_tone(foot[-1], following[0])


def _feet(text: str) -> list[int]:
    """Return the number of syllables of each foot: 展览馆 is 2 + 1, 小老虎 is 1 + 2, longer words are twos."""
    if len(text) <= 2:
        return [len(text)]
    if len(text) == 3:
        import rjieba

        return [1, 2] if rjieba.has_word(text[1:]) and not rjieba.has_word(text[:2]) else [2, 1]
    return [2, *_feet(text[2:])]


def _third_tones_between(spans: list[list[Syllable]]) -> None:
    i = 0
    while i < len(spans):
        chain = list(itertools.takewhile(lambda span: len(span) == 1 and span[0].tone == "3", spans[i:]))
        if len(chain) > 1:
            _raise_chain([span[0] for span in chain])
        i += max(1, len(chain))
    for span, following in itertools.pairwise(spans):
        if span and following and len(span) + min(len(following), MAX_JOINED - 1) <= MAX_JOINED:
            _raise_third_tone(span[-1], following[0])


def _raise_chain(chain: list[Syllable]) -> None:
    """Change a row of words with one third tone each, in feet of two and a last foot of three (2 3 2 3, 2 3 2 2 3)."""
    n_low = len(chain) // 2  # each foot keeps one third tone, at its end
    ends = {2 * foot + 1 for foot in range(n_low - 1)} | {len(chain) - 1}
    for i, syllable in enumerate(chain):
        if i not in ends and not syllable.fixed:
            syllable.tone = "2"


def _raise_third_tone(syllable: Syllable, following: Syllable) -> None:
    if syllable.tone == "3" and following.tone == "3" and not syllable.fixed:
        syllable.tone = "2"


def _erhua(span: list[Syllable], text: str, flat: list[Syllable]) -> None:
    """Give the 儿 of 花儿 the tone before it. The 儿 of 女儿 keeps its own tone. Both are syllables of the table."""
    last = span[-1] if span else None
    if last is None or last.fixed or last.character != "儿" or (text in FULL_ER and len(text) > 1):
        return
    if any(len(word) > 1 and text.endswith(word) for word in FULL_ER):
        return
    i = next(i for i, syllable in enumerate(flat) if syllable is last)
    if i:
        last.base, last.tone = "er", flat[i - 1].tone

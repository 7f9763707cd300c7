"""Tones of Mandarin in connected speech: 一, 不, the third tone, and the 儿 of erhua.

Words carry citation tones and neutral tones; what comes out is what is said. Third tones change inside a word first, in
feet of two syllables, then between words where they are short enough to be said in one go (three syllables), as
upstream's front end does, so that the tones are those that the models were trained with.
"""

import dataclasses
import itertools

from gpt_sovits.text.chinese.mandarin_words import FULL_ER
from gpt_sovits.text.lexicon import Entry

DIGITS = set("零一二三四五六七八九幺")
BEFORE_DIGIT_ONE = DIGITS | set("十百千万亿点第初周期拜")
LARGE = set("百千万亿")
ORDINAL_NOUNS = set("月号楼等级")  # 一 before them is a name: 一月, 一号, 一楼
NEUTRAL_FOURTH = set("个下样")  # neutral, yet 一 and 不 hear their fourth tone
MAX_JOINED = 3  # syllables of two words that are said in one go


@dataclasses.dataclass
class Word:
    """text: characters; tag: jieba's part of speech; pinyin: a syllable with tone for each; entry: the lexicon's."""

    text: str
    tag: str
    pinyin: list[str]
    entry: Entry | None = None


@dataclasses.dataclass
class Syllable:
    character: str
    base: str
    tone: str
    fixed: bool  # the lexicon says so


def with_sandhi(words: list[Word]) -> list[Word]:
    """The words of one stretch without a pause, with the tones as they are said."""
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
    if not after or (at_end and after not in LARGE):
        return "1"
    if before == after and after not in DIGITS:
        return "5"  # 看一看
    if after in LARGE and after != before:
        return "2" if flat[i + 1].tone == "4" else "4"
    if before in BEFORE_DIGIT_ONE or after in DIGITS or after in ORDINAL_NOUNS:
        return "1"
    if (after == "点" and beyond in DIGITS) or (after == "日" and before == "月"):
        return "1"
    return "2" if flat[i + 1].tone == "4" or after in NEUTRAL_FOURTH else "4"


def _tone_of_not(flat: list[Syllable], i: int, at_end: bool) -> str:
    after = flat[i + 1] if i + 1 < len(flat) else None
    if flat[i].tone == "5" or (after and i and flat[i - 1].character == after.character):
        return "5"  # 差不多, 好不好
    return "2" if after and (after.tone == "4" or after.character in NEUTRAL_FOURTH) else "4"


def _third_tones_inside(span: list[Syllable], word: Word) -> None:
    feet = []
    position = 0
    for n in _feet(word.text[: len(span)]):
        feet.append(span[position : position + n])
        position += n
    for foot in feet:
        for first, second in itertools.pairwise(foot):
            _raise(first, second)
    for foot, following in itertools.pairwise(feet):
        _raise(foot[-1], following[0])


def _feet(text: str) -> list[int]:
    """Syllables of each foot: 展览馆 is 2 + 1, 小老虎 is 1 + 2, longer words are twos."""
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
            _raise(span[-1], following[0])


def _raise_chain(chain: list[Syllable]) -> None:
    """Single third tones in a row: in twos, the last three together (2 3 2 3, 2 3 2 2 3)."""
    n_low = len(chain) // 2  # feet; each keeps one third tone, at its end
    ends = {2 * foot + 1 for foot in range(n_low - 1)} | {len(chain) - 1}
    for i, syllable in enumerate(chain):
        if i not in ends and not syllable.fixed:
            syllable.tone = "2"


def _raise(syllable: Syllable, following: Syllable) -> None:
    if syllable.tone == "3" and following.tone == "3" and not syllable.fixed:
        syllable.tone = "2"


def _erhua(span: list[Syllable], text: str, flat: list[Syllable]) -> None:
    """The 儿 of 花儿 takes the tone before it, that of 女儿 keeps its own; both are syllables of the table."""
    last = span[-1] if span else None
    if last is None or last.fixed or last.character != "儿" or (text in FULL_ER and len(text) > 1):
        return
    if any(len(word) > 1 and text.endswith(word) for word in FULL_ER):
        return
    i = next(i for i, syllable in enumerate(flat) if syllable is last)
    if i:
        last.base, last.tone = "er", flat[i - 1].tone

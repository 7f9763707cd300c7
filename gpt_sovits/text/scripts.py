"""Which language each part of a mixed text is in.

Scripts decide, not statistics, so the same text is always split the same way. There are two steps:
`split_by_main_language` cuts the text as written into parts with one main language each. `split_off_english` then takes
the English words out of such a part, after its numbers have become words.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from gpt_sovits.text.addresses import ADDRESS
from gpt_sovits.text.alphabets import ENGLISH_PLACEHOLDERS, HAN, HANGUL, JAMO, KANA, LATIN
from gpt_sovits.text.roman import replace_numbered
from gpt_sovits.text.sentences import SENTENCE_END

SINGLE_LANGUAGE_PREFIX = "all_"  # all_zh: Chinese and nothing else
AUTOMATIC = {"auto": "zh", "auto_yue": "yue"}  # -> the language of Han characters in a sentence without kana
SCRIPT_LETTER = re.compile(f"(?P<kana>[{KANA}])|(?P<hangul>[{HANGUL}{JAMO}])|(?P<han>[{HAN}])")

UNITS = "km/h|km|cm|mm|nm|m|kg|mg|g|t|ml|l|kwh|kw|mw|w|mah|v|a|khz|mhz|ghz|hz|kb|mb|gb|tb|db|ms|h|min|s|px|fps|°[cf]"
NO_UNIT = "(?-i:[GMTSHK](?![A-Za-z]))"  # 5G and 10M are not grams and metres
ENGLISH_WORD = rf"[{LATIN}{ENGLISH_PLACEHOLDERS}][{LATIN}{ENGLISH_PLACEHOLDERS}'’]*"
ENGLISH = re.compile(
    rf"(?P<unit>(?<=\d)\s?(?!{NO_UNIT})(?:{UNITS})[23]?(?:/(?:{UNITS})[23]?)?(?![{LATIN}]))"  # stays with its number
    rf"|(?a:{ADDRESS})|{ENGLISH_WORD}(?:\.[A-Z]\b|[-&+#](?=[{LATIN}])|[+#]+)?",
    re.IGNORECASE,
)
CLAUSE_END = re.compile(r"(?<=[…、。])|(?<=[,!?;])(?!\d)|(?<=:)(?![\d/])|(?<=\.)(?![A-Za-z0-9.,])")
AUDIBLE = re.compile(r"[^\W_]|[\ue000-\uf8ff]")  # letters, digits and placeholders
SIGNS = "$£€¥₩#~+−-"  # before a number they are part of it


class Piece(NamedTuple):
    """A part of a text and the language that speaks it."""

    language: str
    text: str


NAME_HYPHEN = re.compile(r"(?<=[A-Za-z]\d)-(?=[A-Za-z])|(?<=[A-Za-z]\d\d)-(?=[A-Za-z])|(?<=[A-Za-z])-(?=\d)")
NUMBERED = {  # before a Roman numeral, and after it: first of any numeral, then of a single I
    "ja": ("第", "章節部巻版期級類種型回条幕世話編", "型期級類種"),
    "ko": ("제", "장절부권판기급류형회조막편차세", "형급류"),
}


def join_names(text: str, main: str) -> str:
    """Return the text as it can be split: without the hyphens of F5-TTS and GPT-4, and with 第2章 for 第Ⅱ章.

    Args:
        text: A part of a cleaned text.
        main: Its main language. English texts are left as they are.
    """
    if main == "en":
        return text
    text = NAME_HYPHEN.sub(" ", text)
    return replace_numbered(text, *NUMBERED[main]) if main in NUMBERED else text


def split_by_main_language(text: str, language: str) -> list[Piece]:
    """Split a cleaned text into parts, each with its main language.

    Args:
        text: A text after `cleaning.clean`.
        language: One of these:
            "en": the whole text is one English part.
            "zh", "yue", "ja" or "ko": that language mixed with English. A clause without a letter of the language and
            with two or more Latin words is English, its numbers included.
            "all_" and a language: the whole text is one part in that language.
            "auto" or "auto_yue": Hangul is Korean. Han characters are Japanese in a sentence that contains kana, and
            Chinese ("auto") or Cantonese ("auto_yue") in any other. A sentence without any of these scripts is English.

    Returns:
        The parts in order. Joined they are the text.
    """
    if language == "en" or language.startswith(SINGLE_LANGUAGE_PREFIX):
        return [Piece(language.removeprefix(SINGLE_LANGUAGE_PREFIX), text)]
    if language in AUTOMATIC:
        parts = _join_neighbours(_detect_languages(text, AUTOMATIC[language]))
        return _join_neighbours(piece for main, part in parts for piece in _split_clauses(part, main))
    return _join_neighbours(_split_clauses(text, language))


def split_off_english(text: str, main: str) -> list[Piece]:
    """Split a text of main language `main` into its English words and the rest.

    Latin words are English. Numbers stay in the main language, and units (5 km) stay with their number. Punctuation and
    spaces stay with the word before them.
    """
    if main == "en":
        return [Piece("en", text)]
    pieces = []
    end = 0
    for m in ENGLISH.finditer(text):
        if m["unit"]:
            continue
        pieces += [Piece(main, text[end : m.start()]), Piece("en", m[0])]
        end = m.end()
    pieces.append(Piece(main, text[end:]))
    return _join_neighbours(_move_marks_back(pieces))


def _detect_languages(text: str, han: str) -> Iterator[Piece]:
    """Yield the sentences of a text, cut again where Hangul meets Han characters or kana."""
    for sentence in _sentences(text):
        scripts = {m.lastgroup for m in SCRIPT_LETTER.finditer(sentence)}
        languages = {"kana": "ja", "hangul": "ko", "han": "ja" if "kana" in scripts else han}
        start, language = 0, None
        for m in SCRIPT_LETTER.finditer(sentence):
            if language not in (None, languages[m.lastgroup]):
                yield Piece(language, sentence[start : m.start()])
                start = m.start()
            language = languages[m.lastgroup]
        yield Piece(language or ("en" if re.search(f"[{LATIN}]", sentence) else ""), sentence[start:])


def _sentences(text: str) -> list[str]:
    ends = [m.end() for m in SENTENCE_END.finditer(text)]
    return [text[a:b] for a, b in zip([0, *ends], [*ends, len(text)], strict=True) if text[a:b]]


def _split_clauses(text: str, main: str) -> Iterator[Piece]:
    """Yield the clauses of a text, each in the main language or in English."""
    for clause in CLAUSE_END.split(text):
        words = [m for m in ENGLISH.finditer(clause) if not m["unit"]]
        is_english = main != "en" and len(words) > 1 and not SCRIPT_LETTER.search(clause)
        yield Piece("en" if is_english else main, clause)


def _move_marks_back(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Move punctuation and spaces at the start of a piece to the piece before it, except the sign of a number."""
    before = None
    for piece in pieces:
        n_marks = len(piece.text) - len(piece.text.lstrip(" ,.!?;:…、。・()[]{}\"'「」『』【】《》〈〉—–―~-"))
        if n_marks and piece.text[n_marks - 1] in SIGNS and piece.text[n_marks : n_marks + 1].isdigit():
            n_marks -= 1
        if before is None:
            before = piece
        else:
            yield Piece(before.language, before.text + piece.text[:n_marks])
            before = Piece(piece.language, piece.text[n_marks:])
    if before is not None:
        yield before


def _join_neighbours(pieces: Iterable[Piece]) -> list[Piece]:
    """Join neighbours of one language. A piece without a language or without letters joins a neighbour."""
    joined: list[Piece] = []
    for language, text in pieces:
        if not text:
            continue
        last = joined[-1] if joined else None
        if last and (not language or language == last.language or not AUDIBLE.search(text)):
            joined[-1] = Piece(last.language, last.text + text)
        elif last and (not last.language or not AUDIBLE.search(last.text)):
            joined[-1] = Piece(language, last.text + text)
        else:
            joined.append(Piece(language, text))
    return [Piece(piece.language or "en", piece.text) for piece in joined]

"""Which language each part of a mixed text is in: told by script, never by statistics, so always alike.

Two steps: `stretches` cuts the text as written into parts with one main language each; `by_script` then takes the
English words out of such a part, after its numbers have been read.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from gpt_sovits.text.addresses import ADDRESS
from gpt_sovits.text.alphabets import ENGLISH_MARKS, HAN, HANGUL, JAMO, KANA, LATIN
from gpt_sovits.text.sentences import SENTENCE_END

FORCED = "all_"  # all_zh: Chinese and nothing else
AUTOMATIC = {"auto": "zh", "auto_yue": "yue"}  # -> the language of Han characters in a sentence without kana
STRONG = re.compile(f"(?P<kana>[{KANA}])|(?P<hangul>[{HANGUL}{JAMO}])|(?P<han>[{HAN}])")

UNITS = "km/h|km|cm|mm|nm|m|kg|mg|g|t|ml|l|kwh|kw|mw|w|mah|v|a|khz|mhz|ghz|hz|kb|mb|gb|tb|db|ms|h|min|s|px|fps|°[cf]"
NO_UNIT = "(?-i:[GMTSHK](?![A-Za-z]))"  # 5G and 10M are no grams and metres
ENGLISH_WORD = rf"[{LATIN}{ENGLISH_MARKS}][{LATIN}{ENGLISH_MARKS}'’]*"
ENGLISH = re.compile(
    rf"(?P<unit>(?<=\d)\s?(?!{NO_UNIT})(?:{UNITS})[23]?(?![{LATIN}]))"  # belongs to its number
    rf"|(?a:{ADDRESS})|{ENGLISH_WORD}(?:\.[A-Z]\b|[-&+#](?=[{LATIN}])|[+#]+)?",
    re.IGNORECASE,
)
CLAUSE_END = re.compile(r"(?<=[…、。])|(?<=[,!?;])(?!\d)|(?<=:)(?![\d/])|(?<=\.)(?![A-Za-z0-9.,])")
HEARD = re.compile(r"[^\W_]|[\ue000-\uf8ff]")
SIGNS = "$£€¥₩#~+−-"  # before a number they belong to it


class Piece(NamedTuple):
    """A part of a text and the language that speaks it."""

    language: str
    text: str


def stretches(text: str, language: str) -> list[Piece]:
    """Parts of a cleaned text with their main language; joined they are the text.

    language: "en", one of "zh", "yue", "ja", "ko" (that language mixed with English), the same after "all_", or "auto"
    ("auto_yue"). Of a mixed language, clauses with no letter of its own and two or more Latin words are English, their
    numbers too. Automatically, Hangul is Korean, Han characters are Japanese in a sentence that has kana and Chinese
    (Cantonese) in any other, and sentences without any of them are English.
    """
    if language == "en" or language.startswith(FORCED):
        return [Piece(language.removeprefix(FORCED), text)]
    if language in AUTOMATIC:
        parts = list(_detected(text, AUTOMATIC[language]))
        return _joined(piece for main, part in _joined(parts) for piece in _english_clauses(part, main))
    return _joined(_english_clauses(text, language))


def by_script(text: str, main: str) -> list[Piece]:
    """The Latin words of a part of main language `main` as English, everything else as `main`.

    Marks and spaces go with what stands before them, units (5 km) with their number; numbers are the main language's.
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
    return _joined(_with_marks_before(pieces))


def _detected(text: str, han: str) -> Iterator[Piece]:
    """Sentences, cut again where Hangul meets Han or kana."""
    for sentence in _sentences(text):
        scripts = {m.lastgroup for m in STRONG.finditer(sentence)}
        languages = {"kana": "ja", "hangul": "ko", "han": "ja" if "kana" in scripts else han}
        start, language = 0, None
        for m in STRONG.finditer(sentence):
            if language not in (None, languages[m.lastgroup]):
                yield Piece(language, sentence[start : m.start()])
                start = m.start()
            language = languages[m.lastgroup]
        yield Piece(language or ("en" if re.search(f"[{LATIN}]", sentence) else ""), sentence[start:])


def _sentences(text: str) -> list[str]:
    ends = [m.end() for m in SENTENCE_END.finditer(text)]
    return [text[a:b] for a, b in zip([0, *ends], [*ends, len(text)], strict=True) if text[a:b]]


def _english_clauses(text: str, main: str) -> Iterator[Piece]:
    for clause in CLAUSE_END.split(text):
        words = [m for m in ENGLISH.finditer(clause) if not m["unit"]]
        english = main != "en" and len(words) > 1 and not STRONG.search(clause)
        yield Piece("en" if english else main, clause)


def _with_marks_before(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Marks and spaces at the start of a piece move to the piece before it; a number keeps its sign."""
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


def _joined(pieces: Iterable[Piece]) -> list[Piece]:
    """Neighbours of one language as one piece; what has no language of its own, or no letters, joins a neighbour."""
    joined: list[Piece] = []
    for language, text in pieces:
        if not text:
            continue
        last = joined[-1] if joined else None
        if last and (not language or language == last.language or not HEARD.search(text)):
            joined[-1] = Piece(last.language, last.text + text)
        elif last and (not last.language or not HEARD.search(last.text)):
            joined[-1] = Piece(language, last.text + text)
        else:
            joined.append(Piece(language, text))
    return [Piece(piece.language or "en", piece.text) for piece in joined]

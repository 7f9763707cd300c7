"""Text cut the way GPT-SoVITS' own interfaces cut it, for voices and texts that were tuned there.

`gpt_sovits.text.sentences.split_sentences` is what this project uses: it knows abbreviations and languages. These
functions give upstream's pieces exactly, oddities included (`split` ends a clause at the point of 3.14).
Source: GPT-SoVITS, github.com/RVC-Boss/GPT-SoVITS TTS_infer_pack/text_segmentation_method.py and TextPreprocessor.py
"""

import re
from collections.abc import Callable, Iterable

CLAUSE_MARKS = "，。？！,.?!~:：—…"  # end a clause of `split`
CUT5_MARKS = ",.;?!、，。？！：…"
SILENT = set("!?…,.- ")  # a piece of nothing else is dropped
CLAUSES_PER_PIECE = 4
PIECE_CHARACTERS = 50
SHORT_CHARACTERS = 5  # a shorter piece joins its neighbour
SHORT_FIRST_CLAUSE = 4  # a text that opens with less is given a mark in front, which steadies the model
MAX_PIECE_CHARACTERS = 510  # BERT's positions, less CLS and SEP


def split(text: str) -> list[str]:
    """Clauses with their mark at the end; …… and —— become 。 and ，, and an unfinished text gets a 。."""
    text = text.replace("……", "。").replace("——", "，")
    if text and text[-1] not in CLAUSE_MARKS:
        text += "。"
    return re.findall(rf"[^{CLAUSE_MARKS}]*[{CLAUSE_MARKS}]", text)


def cut0(text: str) -> str:
    """No cut: the text, or a bare line break where it says nothing."""
    return text if not set(text) <= SILENT else "\n"


def cut1(text: str) -> str:
    """Four clauses a line; the last line also takes the one to four that are left."""
    text = text.strip("\n")
    clauses = split(text)
    starts = list(range(0, len(clauses), CLAUSES_PER_PIECE))[:-1]
    ends = [*starts[1:], len(clauses)]
    return _lines(["".join(clauses[a:b]) for a, b in zip(starts, ends, strict=True)] if starts else [text])


def cut2(text: str) -> str:
    """Clauses until a line has more than 50 characters; a last line of fewer joins the one before."""
    text = text.strip("\n")
    clauses = split(text)
    if len(clauses) < 2:
        return text
    pieces = [""]
    for clause in clauses:
        if len(pieces[-1]) > PIECE_CHARACTERS:
            pieces.append("")
        pieces[-1] += clause
    if len(pieces) > 1 and len(pieces[-1]) < PIECE_CHARACTERS:
        pieces[-2:] = ["".join(pieces[-2:])]
    return _lines(pieces)


def cut3(text: str) -> str:
    """A line for each Chinese full stop, which is lost."""
    return _lines(text.strip("\n").strip("。").split("。"))


def cut4(text: str) -> str:
    """A line for each English full stop that touches no digit; the stop is lost."""
    return _lines(re.split(r"(?<!\d)\.(?!\d)", text.strip("\n").strip(".")))


def cut5(text: str) -> str:
    """A line for each mark but the point of a decimal."""
    pieces = re.findall(rf"(?:[^{CUT5_MARKS}]|(?<=\d)\.(?=\d))*[{CUT5_MARKS}]?", text.strip("\n"))
    return _lines([piece for piece in pieces if not set(piece) <= set(CUT5_MARKS)], silent=set(CUT5_MARKS))


def split_big_text(text: str, max_characters: int = MAX_PIECE_CHARACTERS) -> list[str]:
    """Pieces of at most `max_characters`, cut before or after a mark; a clause that is longer stays whole."""
    if max_characters < 1:
        raise ValueError(f"max_characters must be at least 1, not {max_characters}")
    pieces = [""]
    for part in re.split(rf"([{CLAUSE_MARKS}])", text):
        if len(pieces[-1]) + len(part) > max_characters:
            pieces.append("")
        pieces[-1] += part
    return [piece for piece in pieces if piece]


def merge_short_text(texts: list[str], min_characters: int = SHORT_CHARACTERS) -> list[str]:
    """Texts of at least `min_characters` each: a shorter one is joined with what follows it, the last with the rest."""
    merged: list[str] = []
    waiting = ""
    for text in texts:
        waiting += text
        if len(waiting) >= min_characters:
            merged.append(waiting)
            waiting = ""
    if waiting and merged:
        merged[-1] += waiting
    elif waiting:
        merged.append(waiting)
    return merged


CUTS: dict[str, Callable[[str], str]] = {f.__name__: f for f in (cut0, cut1, cut2, cut3, cut4, cut5)}


def upstream_pieces(text: str, cut: str = "cut5", language: str = "zh") -> list[str]:
    """What upstream's inference speaks one after the other.

    cut: a key of CUTS. The marks that are put in front of a short opening and behind an unfinished piece are "." for
    English and 。 for the others. Raises ValueError for an unknown cut.
    """
    if cut not in CUTS:
        raise ValueError(f"unknown cut {cut!r}; known: {', '.join(CUTS)}")
    mark = "." if language == "en" else "。"
    text = text.strip("\n")
    if text and text[0] not in CLAUSE_MARKS and len(re.split(f"[{CLAUSE_MARKS}]", text)[0]) < SHORT_FIRST_CLAUSE:
        text = mark + text
    lines = [line for line in CUTS[cut](text).split("\n") if line.strip()]
    finished = [
        line if line[-1] in CLAUSE_MARKS else line + mark for line in merge_short_text(lines) if re.search(r"\w", line)
    ]
    return [
        piece
        for line in finished
        for piece in (split_big_text(line) if len(line) > MAX_PIECE_CHARACTERS else [line])
        if re.search(r"\w", piece)
    ]


def _lines(pieces: Iterable[str], silent: set[str] = SILENT) -> str:
    return "\n".join(piece for piece in pieces if not set(piece) <= silent)

"""Text cut exactly as GPT-SoVITS' own interfaces cut it, for voices and texts that were tuned there.

This project itself uses `gpt_sovits.text.sentences.split_sentences`, which knows abbreviations and languages. The
functions here return upstream's pieces, oddities included (`split_clauses` ends a clause at the point of 3.14). The one
exception is the leading point of a decimal (.3%). Upstream loses it in cut4 and cut5, which changes the value.
Source: GPT-SoVITS, github.com/RVC-Boss/GPT-SoVITS TTS_infer_pack/text_segmentation_method.py and TextPreprocessor.py
"""

import re
from collections.abc import Callable, Iterable

CLAUSE_MARKS = "，。？！,.?!~:：—…"  # end a clause of `split_clauses`
CUT5_MARKS = ",.;?!、，。？！：…"
SILENT_CHARACTERS = set("!?…,.- ")  # a piece with nothing else is dropped
LEADING_POINT = r"(?<![\w.])\.(?=\d)"  # of .3 or -.5
CLAUSES_PER_PIECE = 4
PIECE_CHARACTERS = 50
SHORT_CHARACTERS = 5  # a shorter piece joins its neighbour
SHORT_FIRST_CLAUSE = 4  # a text that opens with a shorter clause gets a mark in front, which steadies the model
MAX_PIECE_CHARACTERS = 510  # BERT's positions, less CLS and SEP


def split_clauses(text: str) -> list[str]:
    """Return the clauses of a text, each with its mark at the end.

    …… and —— become 。 and ，, and an unfinished text gets a 。 at its end.
    """
    text = text.replace("……", "。").replace("——", "，")
    if text and text[-1] not in CLAUSE_MARKS:
        text += "。"
    return re.findall(rf"[^{CLAUSE_MARKS}]*[{CLAUSE_MARKS}]", text)


def cut0(text: str) -> str:
    """Return the text uncut, or a bare line break if it has nothing to say."""
    return text if not set(text) <= SILENT_CHARACTERS else "\n"


def cut1(text: str) -> str:
    """Cut into lines of four clauses. The last line also takes the one to four that are left."""
    text = text.strip("\n")
    clauses = split_clauses(text)
    starts = list(range(0, len(clauses), CLAUSES_PER_PIECE))[:-1]
    ends = [*starts[1:], len(clauses)]
    return _join_pieces(["".join(clauses[a:b]) for a, b in zip(starts, ends, strict=True)] if starts else [text])


def cut2(text: str) -> str:
    """Cut into lines of clauses with more than 50 characters. A shorter last line joins the one before."""
    text = text.strip("\n")
    clauses = split_clauses(text)
    if len(clauses) < 2:
        return text
    pieces = [""]
    for clause in clauses:
        if len(pieces[-1]) > PIECE_CHARACTERS:
            pieces.append("")
        pieces[-1] += clause
    if len(pieces) > 1 and len(pieces[-1]) < PIECE_CHARACTERS:
        pieces[-2:] = ["".join(pieces[-2:])]
    return _join_pieces(pieces)


def cut3(text: str) -> str:
    """Cut at each Chinese full stop, which is lost."""
    return _join_pieces(text.strip("\n").strip("。").split("。"))


def cut4(text: str) -> str:
    """Cut at each English full stop without a digit beside it. The full stop is lost."""
    text = re.sub(rf"^(?!{LEADING_POINT})\.+", "", text.strip("\n")).rstrip(".")
    return _join_pieces(re.split(r"(?<!\d)\.(?!\d)", text))


def cut5(text: str) -> str:
    """Cut after each mark except the point of a decimal (3.14, .3)."""
    inside = rf"[^{CUT5_MARKS}]|(?<=\d)\.(?=\d)|{LEADING_POINT}"
    pieces = re.findall(rf"(?:{inside})*[{CUT5_MARKS}]?", text.strip("\n"))
    return _join_pieces([piece for piece in pieces if not set(piece) <= set(CUT5_MARKS)], silent=set(CUT5_MARKS))


def split_big_text(text: str, max_characters: int = MAX_PIECE_CHARACTERS) -> list[str]:
    """Cut into pieces of at most `max_characters`, before or after a mark. A longer clause stays whole."""
    if max_characters < 1:
        raise ValueError(f"max_characters must be at least 1, not {max_characters}")
    pieces = [""]
    for part in re.split(rf"([{CLAUSE_MARKS}])", text):
        if len(pieces[-1]) + len(part) > max_characters:
            pieces.append("")
        pieces[-1] += part
    return [piece for piece in pieces if piece]


def merge_short_text(texts: list[str], min_characters: int = SHORT_CHARACTERS) -> list[str]:
    """Join texts of fewer than `min_characters` with the next one, and a short rest with the last one."""
    merged: list[str] = []
    pending = ""
    for text in texts:
        pending += text
        if len(pending) >= min_characters:
            merged.append(pending)
            pending = ""
    if pending and merged:
        merged[-1] += pending
    elif pending:
        merged.append(pending)
    return merged


CUTS: dict[str, Callable[[str], str]] = {f.__name__: f for f in (cut0, cut1, cut2, cut3, cut4, cut5)}


def upstream_pieces(text: str, cut: str = "cut5", language: str = "zh") -> list[str]:
    """Return the pieces that upstream's inference speaks one after the other.

    Args:
        text: A text as written.
        cut: A key of CUTS.
        language: Decides the mark that is put before a short opening and after an unfinished piece: "." for "en", 。
            for every other language.

    Raises:
        ValueError: If the cut is unknown.
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


def _join_pieces(pieces: Iterable[str], silent: set[str] = SILENT_CHARACTERS) -> str:
    return "\n".join(piece for piece in pieces if not set(piece) <= silent)

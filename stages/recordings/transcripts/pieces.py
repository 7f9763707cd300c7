"""Joins the pieces of one recording, such as segments with a time each, to one text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from gpt_sovits.text.languages import language_code
from stages.recordings.transcripts.rows import Row


def join_by_start(rows: Sequence[Row]) -> Iterator[Row]:
    """Yield the rows. Those of one name that begin at different times become one, in the order of their times."""
    parts: dict[str, list[Row]] = {}
    for row in rows:
        if row.start is not None and row.name and not row.fault:
            parts.setdefault(row.name, []).append(row)
    for row in rows:
        pieces = parts.get(row.name, [])
        if row.start is None or len({piece.start for piece in pieces}) < 2 or row.fault:
            yield row
        elif row is pieces[0]:
            said = {(piece.start, piece.text): piece for piece in pieces}  # a row may be there twice
            clash = next((start for start, n in Counter(start for start, _ in said).items() if n > 1), None)
            joined = join(list(said.values()))
            fault = "" if clash is None else f"two texts begin at {clash:g} s; keep the right one"
            yield replace(joined, fault=joined.fault or fault)


def join(pieces: Sequence[Row]) -> Row:
    """Return the pieces of a recording as one row: in the order of their times, or as they come where one has none.

    It has a fault where a piece has one, and where the pieces are of several speakers or languages, because the voice
    did not say all of it.

    Args:
        pieces: at least one. The row has the line and the name of the first.
    """
    fault = several(pieces)
    ordered = list(pieces)
    if all(piece.start is not None for piece in pieces):
        ordered = sorted(pieces, key=lambda piece: piece.start or 0.0)
    return replace(
        pieces[0],
        text="\n".join(piece.text for piece in ordered),
        speaker="" if fault else pieces[0].speaker or next((piece.speaker for piece in pieces if piece.speaker), ""),
        start=None,
        fault=next((piece.fault for piece in pieces if piece.fault), fault),
    )


def several(pieces: Iterable[Row]) -> str:
    """Return the fault of pieces that are of several speakers or languages, or an empty text."""
    pieces = list(pieces)
    speakers = {piece.speaker.casefold(): piece.speaker for piece in pieces if piece.speaker}
    languages = {_language(piece.language): piece.language for piece in pieces if piece.language}
    for kind, names in (("speakers", speakers), ("languages", languages)):
        if len(names) > 1:
            listed = " and ".join(map(repr, list(names.values())[:4]))
            return f"its pieces are of the {kind} {listed}; cut the recording, or keep the pieces of one"
    return ""


def _language(written: str) -> str:
    try:
        return language_code(written)
    except ValueError:
        return written.casefold()

"""What the readers of transcript files return: rows that name audio, before the audio is looked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from stages.errors import StageError


class LayoutError(StageError, ValueError):
    """A file is not in any layout that is read. The message says what it lacks, without the file's name."""


class NotATableError(LayoutError):
    """A file has no columns at all."""


class NotTranscriptsError(LayoutError):
    """A file is about the recordings, such as their durations, and holds no texts for certain."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One transcript as written in a file.

    Attributes:
        line: Number of its line in the file, counted from 1. None for a text that fills its file.
        name: What it says about its audio, a path or a name. Empty where the file's own name says it.
        text: What is said, as written.
        speaker: Who says it, empty where the file does not say.
        language: In which language, as written, empty where the file does not say.
        start: Seconds in the audio at which it begins, None where it is all of what is said in it.
        fault: Why it cannot be used, empty where it can.
        subtitles: Whether brackets in the text are notes on sounds.
    """

    line: int | None
    name: str
    text: str
    speaker: str = ""
    language: str = ""
    start: float | None = None
    fault: str = ""
    subtitles: bool = False


class Line(NamedTuple):
    """A line of a table, split into cells."""

    number: int  # counted from 1; of a text with several lines the first
    cells: list[str]
    unquoted: str = ""  # the line as written, empty where it is quoted as CSV

    def joined(self, n_cells: int, delimiter: str) -> list[str]:
        """Return the cells, those from `n_cells` on joined as they are written. Quoted cells stay apart."""
        if len(self.cells) <= n_cells or not self.unquoted:
            return self.cells
        return [cell.strip() for cell in self.unquoted.split(delimiter, n_cells - 1)]

"""The rows of a CSV file: any usual encoding, comma, semicolon or tab, quotes and newlines in cells."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from campaigns.errors import CampaignError
from campaigns.recipients.cells import ID_COLUMN, check_columns, read_cells
from campaigns.records import Recipient, Reject, RejectReason
from gpt_sovits.text.encodings import recognise_codec

SAMPLE_BYTES = 1 << 20  # of the file, by which its encoding is recognised
MAX_ROW_CHARACTERS = 8 << 20  # beyond it a quote was probably not closed, and everything after it would be one cell
DELIMITERS = (",", ";", "\t")


class _Lines:
    """The lines of a file, with a bound on what one row may take."""

    def __init__(self, file: TextIO, place: str) -> None:
        """Begin at the first line."""
        self._file, self._place = file, place
        self.n_lines, self.row_begin, self._room = 0, 1, MAX_ROW_CHARACTERS

    def begin_row(self) -> None:
        """Begin a row at the next line."""
        self.row_begin, self._room = self.n_lines + 1, MAX_ROW_CHARACTERS

    def spanned(self) -> str:
        """Return which lines the row takes, where these are many: a quote that is not closed takes rows with it."""
        is_long = self.n_lines > self.row_begin
        return f" in the lines {self.row_begin} to {self.n_lines}, which an open quote joins" if is_long else ""

    def __iter__(self) -> Iterator[str]:
        while line := self._file.readline(self._room + 1):
            self._room -= len(line)
            if self._room < 0:
                raise CampaignError(
                    f"{self._place}, line {self.row_begin}: the row has more than {MAX_ROW_CHARACTERS} characters; "
                    "close its quotes"
                )
            self.n_lines += 1
            yield line


def read_csv(path: Path, language: str) -> Iterator[Recipient | Reject]:
    """Yield the rows of a CSV file. Empty lines are skipped.

    Args:
        path: The file. Its first row names the columns.
        language: ISO 639 code, by which encodings other than Unicode are recognised.

    Raises:
        CampaignError: The header is wrong, or a row never ends.
        OSError: The file cannot be read.
    """
    with path.open(encoding=_encoding(path, language), errors="replace", newline="") as file:
        csv.field_size_limit(MAX_ROW_CHARACTERS)
        lines = _Lines(file, str(path))
        source = iter(lines)
        first = next(source, "")
        header_rows = csv.reader(itertools.chain([first], source), delimiter=_delimiter(first), strict=True)
        rows, columns = header_rows, _header(header_rows, path)
        while True:
            lines.begin_row()
            try:
                row = next(rows, None)
            except csv.Error as error:
                yield _malformed(lines.row_begin, f"it is not CSV{lines.spanned()}: {error}")
                continue
            if row is None:
                return
            if not row:
                continue
            if len(row) != len(columns):
                counts = f"{len(row)} cells{lines.spanned()}, and the header has {len(columns)}"
                yield _malformed(lines.row_begin, f"it has {counts}")
                continue
            yield read_cells(lines.row_begin, dict(zip(columns, row, strict=True)))


def _header(rows: Iterator[list[str]], path: Path) -> list[str]:
    try:
        columns = [name.strip() for name in next(rows, [])]
    except csv.Error as error:
        raise CampaignError(f"{path}, line 1: the header is not CSV: {error}; correct its quotes") from error
    check_columns(columns, str(path))
    return columns


def _delimiter(header: str) -> str:
    """Return the delimiter by which the header has a column recipient_id, the comma where none does."""
    for delimiter in DELIMITERS:
        if ID_COLUMN in (name.strip(' "\r\n') for name in header.split(delimiter)) and delimiter in header:
            return delimiter
    return ","


def _encoding(path: Path, language: str) -> str:
    with path.open("rb") as file:
        sample = file.read(SAMPLE_BYTES)
    if len(sample) == SAMPLE_BYTES and b"\n" in sample:
        sample = sample[: sample.rindex(b"\n") + 1]
    try:
        return recognise_codec(sample, language)
    except ValueError:
        return "utf_8"  # one broken row must not stop the others: what is not UTF-8 refuses its row


def _malformed(line: int, message: str) -> Reject:
    return Reject(line=line, recipient_id=None, reason=RejectReason.MALFORMED_ROW, message=message)

"""Reader of tables as text: lines split at a bar, tab, semicolon, comma or space, with named columns or without."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

from stages.recordings.transcripts.columns import positional_rows
from stages.recordings.transcripts.fields import (
    is_header,
    is_known_field,
    is_name_field,
    is_start_field,
    is_text_field,
    known_twice,
    read_fields,
)
from stages.recordings.transcripts.rows import LayoutError, Line, NotATableError, NotTranscriptsError, Row

TableKind = Literal["list", "table", "unknown"]
DELIMITERS = ("|", "\t", ";", ",")
SEPARATOR_LINE = re.compile(r'"?sep=(.)"?[ \t]*(?=\r|\n|$)', re.I)  # written by and for Excel
NUMBER = re.compile(r"[-+]?\d+(?:[.,:]\d+)*(?:e[-+]?\d+)?\s*(?:ms|s|sec)?", re.I)
MEASURES = re.compile(
    r"(?:.*[ _])?(?:durations?|lengths?|secs?|seconds|ms|milliseconds|samples|frames|rate|channels|size|bytes|snr)"
    r"(?:[ _]?[\[(].*)?"
)
MAX_FIELD_CHARACTERS = 2**31 - 1  # the csv module's own limit, 131072, is shorter than the text of three hours


class Table(NamedTuple):
    """The lines of a table, split at a delimiter."""

    delimiter: str
    header: list[str]  # empty where the first line is a row
    lines: list[Line]
    name_column: int  # the column that names most audio, of a table without header
    n_found: int  # lines that name audio


def read_table(
    text: str, speaker: str, has_audio: Callable[[str], bool], kind: TableKind, *, has_own_audio: bool = False
) -> list[Row]:
    """Return the rows of a table. Of all delimiters, that one counts with which most lines name audio.

    Args:
        text: content of the file.
        speaker: the voice's name, which tells a column of speakers from a column of texts.
        has_audio: whether a name is that of an audio file.
        kind: list for a GPT-SoVITS `.list`, table for other tables. An unknown file is a table only if most of its
            lines name audio, or if all of them have a bar or a tab.
        has_own_audio: whether the file is named like a recording.

    Raises:
        NotATableError: it has no columns.
        NotTranscriptsError: its columns are others, such as durations.
        LayoutError: it is damaged, or it cannot be known which of its columns is the text.
    """
    tables, errors = [], []
    delimiters = (*DELIMITERS, " ") if kind == "unknown" else DELIMITERS
    if separator := SEPARATOR_LINE.match(text):
        delimiters, text = (separator[1],), text[separator.end() :]  # the numbers of the lines stay
    for delimiter in delimiters:
        try:
            tables.append(_split(text, delimiter, has_audio))
        except LayoutError as error:
            errors.append(error)
    tables = [table for table in tables if (_is_table if kind == "unknown" else _has_columns)(table)]
    if errors and kind != "unknown" and not any(table.n_found for table in tables):
        raise errors[0]
    if not tables:
        raise NotATableError("is not a table of names and texts, such as `a|What a.wav says.`")
    table = max(tables, key=lambda table: (table.n_found, bool(table.header), _n_split(table)))  # the first of equals
    if table.header:
        if twice := known_twice(table.header):
            raise LayoutError(f"has the column {twice!r} twice; keep the right one")
        are_segments = has_own_audio and any(map(is_start_field, table.header))
        rows = [_named_row(table, line, has_audio, are_segments=are_segments) for line in table.lines]
    else:
        _require_texts(table, has_audio)
        rows = positional_rows(table.lines, table.name_column, speaker, table.delimiter, is_list=kind == "list")
    return rows if table.delimiter == " " else _without_broken_texts(rows, table.lines, has_audio)


def _without_broken_texts(rows: Sequence[Row], lines: Sequence[Line], has_audio: Callable[[str], bool]) -> list[Row]:
    """Return the rows. One whose text goes on in a line of its own has a fault, for its text would lack its end."""
    checked: list[Row] = []
    for row, line in zip(rows, lines, strict=True):
        (alone, *others) = line.cells
        if checked and not others and any(map(str.isalnum, alone)) and not has_audio(alone):
            fault = f"its text may go on in line {line.number}, which has one column; write it on one line"
            checked[-1] = replace(checked[-1], fault=checked[-1].fault or fault)
        else:
            checked.append(row)
    return checked


def _require_texts(table: Table, has_audio: Callable[[str], bool]) -> None:
    """Check that the columns without names that are read hold more than numbers.

    Raises:
        NotTranscriptsError: they are durations, by their names in the first line.
        LayoutError: they may be numbers that are spoken, or others.
    """
    first, *lines = table.lines
    others = [cell.lower() for column, cell in enumerate(first.cells) if column != table.name_column]
    is_named = any(map(is_name_field, first.cells)) and not any(map(has_audio, first.cells))
    values = [
        cell
        for line in (lines if is_named else table.lines)
        for column, cell in enumerate(line.cells)
        if column != table.name_column and cell
    ]
    if not table.n_found or not values or not all(map(NUMBER.fullmatch, values)):
        return
    if is_named and all(map(MEASURES.fullmatch, others)):
        raise NotTranscriptsError(f"holds {', '.join(others)[:80]} of the recordings, not texts")
    raise LayoutError(
        "has only numbers beside the names, which may be durations or labels; if they are spoken, name the columns in "
        "a first line, such as `file|text`"
    )


def _n_split(table: Table) -> int:
    return sum(len(line.cells) > 1 for line in table.lines)


def _has_columns(table: Table) -> bool:
    return bool(table.header) or _n_split(table) > 0


def _is_table(table: Table) -> bool:
    if table.header or 2 * table.n_found > len(table.lines):
        return True
    return table.delimiter in "|\t" and 0 < len(table.lines) == _n_split(table)


def _split(text: str, delimiter: str, has_audio: Callable[[str], bool]) -> Table:
    if delimiter == " ":  # LibriSpeech and Kaldi
        lines = [Line(number, line.strip().split(None, 1)) for number, line in _numbered_lines(text)]
    elif delimiter in "|\t":
        lines = [_split_line(number, line, delimiter) for number, line in _numbered_lines(text)]
    else:
        lines = list(_split_csv(text, delimiter, has_audio))
    if lines and is_header(lines[0].cells):
        header, *rest = lines
        table = Table(delimiter, header.cells, rest, 0, 0)
        n_found = sum(has_audio(_named_row(table, line, has_audio).name) for line in rest)
        # a recording may be called audio.wav, but hardly says "text"
        is_certain = all(map(is_known_field, header.cells)) and 2 * n_found > len(rest)
        if is_certain or not any(map(has_audio, header.cells)):
            return table._replace(n_found=n_found)
    width = max((len(line.cells) for line in lines), default=0)
    counts = [
        sum(column < len(line.cells) and has_audio(line.cells[column]) for line in lines) for column in range(width)
    ]
    column = counts.index(max(counts)) if counts else 0
    return Table(delimiter, [], lines, column, counts[column] if counts else 0)


def _numbered_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines that are not blank."""
    for number, line in enumerate(_lines(text), start=1):
        if line.strip():
            yield number, line


def _lines(text: str) -> list[str]:
    """Return the lines. Only line feeds and carriage returns end one, because a text may hold U+2028."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _split_line(number: int, line: str, delimiter: str) -> Line:
    """Split a line at bars or tabs. The quotes of LJSpeech belong to the text, those of CSV do not.

    A line is CSV if its first cell is quoted, a quoted cell holds the delimiter, or quotes are doubled.
    """
    plain = Line(number, [cell.strip() for cell in line.split(delimiter)], line)
    if '"' not in line:
        return plain
    csv.field_size_limit(MAX_FIELD_CHARACTERS)
    try:
        (quoted,) = csv.reader([line], delimiter=delimiter, strict=True)
    except (csv.Error, ValueError):
        return plain
    holds_delimiter = len(quoted) < len(plain.cells) and any(map(str.isalnum, quoted[-1]))
    if holds_delimiter or '""' in line or line.lstrip().startswith('"'):
        return Line(number, [cell.strip() for cell in quoted])
    return plain


def _split_csv(text: str, delimiter: str, has_audio: Callable[[str], bool]) -> Iterator[Line]:
    """Yield the lines of a table separated by commas or semicolons. A quoted text may have several lines.

    Raises:
        LayoutError: it is not CSV, or quotes that are not closed make the rows of other recordings part of a text.
    """
    csv.field_size_limit(MAX_FIELD_CHARACTERS)
    lines = _lines(text)
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=delimiter, strict=True, skipinitialspace=True)
    number = 1
    try:
        for cells in reader:
            further = (cell.strip() for line in lines[number : reader.line_num] for cell in line.split(delimiter))
            if name := next(filter(has_audio, further), ""):
                raise LayoutError(
                    f"line {number} has quotes that end behind {name[:80]!r}; put texts in quotes, and double quotes "
                    "in them"
                )
            if any(cell.strip() for cell in cells):
                written = lines[number - 1] if number == reader.line_num else '"'
                yield Line(number, [cell.strip() for cell in cells], "" if '"' in written else written)
            number = reader.line_num + 1
    except csv.Error as error:
        raise LayoutError(
            f"line {number} is not CSV ({error}); put texts in quotes, and double quotes in them"
        ) from error


def _named_row(table: Table, line: Line, has_audio: Callable[[str], bool], *, are_segments: bool = False) -> Row:
    cells, n_columns = line.cells, len(table.header)
    if is_text_field(table.header[-1]):
        cells = line.joined(n_columns, table.delimiter)
    fields = dict(zip(table.header, cells, strict=False))
    row = read_fields(fields, has_audio, line=line.number, has_own_audio=are_segments)
    if len(cells) <= n_columns:
        return row
    fault = f"{len(cells)} columns where the first line names {n_columns}; put the text in quotes"
    return Row(line=line.number, name=row.name, text="", fault=fault)

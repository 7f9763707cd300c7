"""The rows of JSON Lines, one flat object per line, and of a request of the API."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, NoReturn

from campaigns.recipients.cells import MAX_COLUMNS, read_cells
from campaigns.records import Recipient, Reject, RejectReason
from registry.names import shown

MAX_LINE_BYTES = 8 << 20
BOM = b"\xef\xbb\xbf"


class _WrongLineError(ValueError):
    """A line is not a flat JSON object. The message says why."""


def read_json_lines(path: Path) -> Iterator[Recipient | Reject]:
    """Yield the rows of a JSON Lines file. It is UTF-8, as JSON is. Empty lines are skipped.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        for number, line in enumerate(_lines(file), start=1):
            text = line.removeprefix(BOM) if number == 1 else line
            if text.strip():
                yield _read_line(number, text)


def read_objects(rows: Iterable[Mapping[str, object]]) -> Iterator[Recipient | Reject]:
    """Yield the rows of a request, numbered from 1."""
    for number, row in enumerate(rows, start=1):
        try:
            yield read_cells(number, _cells(row))
        except _WrongLineError as error:
            yield _malformed(number, str(error))


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a file. Of a longer one than allowed, what is needed to refuse it."""
    while line := file.readline(MAX_LINE_BYTES + 1):
        rest = line
        while not rest.endswith(b"\n") and (rest := file.readline(MAX_LINE_BYTES)):
            pass
        yield line


def _read_line(number: int, line: bytes) -> Recipient | Reject:
    if len(line) > MAX_LINE_BYTES:
        return _malformed(number, f"it has more than {MAX_LINE_BYTES} bytes")
    try:
        raw = json.loads(
            line.decode("utf-8", errors="replace"),
            parse_int=str,
            parse_float=str,
            parse_constant=_refuse_constant,
            object_pairs_hook=_pairs,
        )
        if not isinstance(raw, dict):
            raise _WrongLineError("it is not a JSON object")
        return read_cells(number, _cells(raw))
    except _WrongLineError as error:
        return _malformed(number, str(error))
    except (ValueError, RecursionError) as error:
        return _malformed(number, f"it is not JSON: {error}")


def _cells(row: Mapping[str, object]) -> dict[str, str | None]:
    if len(row) > MAX_COLUMNS:
        raise _WrongLineError(f"it has {len(row)} columns; at most {MAX_COLUMNS} are read")
    return {column: cell_text(value, column) for column, value in row.items()}


def cell_text(value: object, column: str) -> str | None:
    """Return a value as the cell of a CSV file would have it. Numbers of files arrive here as they are written."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    raise _WrongLineError(f"column {shown(column)} is a list or an object; a cell is a text, a number, true or false")


def _pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _WrongLineError("a column is there twice")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise _WrongLineError(f"{name} is not JSON")


def _malformed(line: int, message: str) -> Reject:
    return Reject(line=line, recipient_id=None, reason=RejectReason.MALFORMED_ROW, message=message)

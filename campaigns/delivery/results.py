"""The table of what became of each recipient, as CSV and Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from campaigns.recipients.spreadsheets import spreadsheet_cell
from campaigns.report.assets import AssetInfo

if TYPE_CHECKING:
    import pyarrow

COLUMNS = (
    "recipient_id",
    "status",
    "url",
    "seconds",
    "sha256",
    "trace_id",
    "version",
    "reason",
    "attempts",
    "wer",
    "loudness_lufs",
)
ROWS_PER_GROUP = 10_000


def csv_lines(
    assets: Iterable[AssetInfo], *, file_of: Callable[[AssetInfo], str | None] | None = None
) -> Iterator[str]:
    """Yield the lines of a CSV table. No cell is read as a formula by a spreadsheet.

    Args:
        assets: The rows.
        file_of: Returns the path of a row's file beside the table. None where there are no such files.
    """
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    header = (*COLUMNS, *(("file",) if file_of else ()))
    writer.writerow(header)
    for asset in assets:
        row = [_cell(getattr(asset, name)) for name in COLUMNS]
        writer.writerow([*row, _cell(file_of(asset))] if file_of else row)
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


def write_parquet(
    path: Path, assets: Iterable[AssetInfo], *, file_of: Callable[[AssetInfo], str | None] | None = None
) -> None:
    """Write the table as Parquet, in memory that does not grow with its length.

    Args:
        path: The file.
        assets: The rows.
        file_of: Returns the path of a row's file beside the table. None where there are no such files.
    """
    import pyarrow.parquet

    schema = _schema(with_file=file_of is not None)
    rows = iter(assets)
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        while group := list(islice(rows, ROWS_PER_GROUP)):
            table = [{name: getattr(asset, name) for name in COLUMNS} for asset in group]
            if file_of is not None:
                table = [row | {"file": file_of(asset)} for row, asset in zip(table, group, strict=True)]
            writer.write_table(pyarrow.Table.from_pylist(table, schema=schema))


def _schema(*, with_file: bool) -> pyarrow.Schema:
    import pyarrow

    numbers = {"seconds": pyarrow.float64(), "wer": pyarrow.float64(), "loudness_lufs": pyarrow.float64()}
    numbers |= {"version": pyarrow.int64(), "attempts": pyarrow.int64()}
    names = (*COLUMNS, *(("file",) if with_file else ()))
    return pyarrow.schema([(name, numbers.get(name, pyarrow.string())) for name in names])


def _cell(value: object) -> str:
    """Return a cell that no spreadsheet calculates."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3f}"
    return spreadsheet_cell(value) if isinstance(value, str) else str(value)

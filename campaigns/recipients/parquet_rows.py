"""The rows of a Parquet file, read in small batches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from campaigns.errors import CampaignError
from campaigns.recipients.cells import OWN_COLUMNS, check_columns, read_cells
from campaigns.records import Recipient, Reject

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

BATCH_ROWS = 1000
MAX_GROUP_BYTES = 1 << 30  # a row group is read as a whole, and a file can claim much more than it has


def read_parquet(path: Path) -> Iterator[Recipient | Reject]:
    """Yield the rows of a Parquet file, numbered from 1. Columns of nested and binary types are left out.

    Raises:
        CampaignError: It is not Parquet, is damaged, or its columns are wrong.
        OSError: The file cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            columns = _columns(file, path)
            number = 0
            for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=columns):
                texts = [_texts(column) for column in batch.columns]
                for cells in zip(*texts, strict=True):
                    number += 1
                    yield read_cells(number, dict(zip(columns, cells, strict=True)))
    except pa.ArrowException as error:
        raise CampaignError(f"{path} is not a whole Parquet file: {' '.join(str(error).split())[:200]}") from error


def _columns(file: pq.ParquetFile, path: Path) -> list[str]:
    """Return the names of the columns that are read."""
    import pyarrow as pa

    schema = file.schema_arrow
    check_columns(schema.names, str(path))
    sizes = [file.metadata.row_group(index).total_byte_size for index in range(file.metadata.num_row_groups)]
    if max(sizes, default=0) > MAX_GROUP_BYTES:
        raise CampaignError(f"{path} has a row group of {max(sizes)} bytes; write it with smaller row groups")
    wrong = [field.name for field in schema if field.name in OWN_COLUMNS and not _is_cell(field.type)]
    if wrong:
        kind = schema.field(wrong[0]).type
        raise CampaignError(f"{path}: column {wrong[0]} has the type {kind}; write it as {pa.string()}")
    return [field.name for field in schema if _is_cell(field.type)]


def _is_cell(kind: pa.DataType) -> bool:
    import pyarrow.types as types

    if types.is_dictionary(kind):
        kind = kind.value_type
    tests = (types.is_string, types.is_large_string, types.is_integer, types.is_floating, types.is_decimal)
    return any(test(kind) for test in (*tests, types.is_boolean, types.is_date, types.is_timestamp, types.is_time))


def _texts(column: pa.Array) -> list[str | None]:
    """Return the cells of a column as text. Bytes that are not UTF-8 become U+FFFD, which refuses their row."""
    import pyarrow as pa
    import pyarrow.types as types

    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if not (types.is_string(column.type) or types.is_large_string(column.type)):
        column = column.cast(pa.string())
    raw = column.cast(pa.large_binary() if types.is_large_string(column.type) else pa.binary()).to_pylist()
    return [None if cell is None else cell.decode("utf-8", errors="replace") for cell in raw]

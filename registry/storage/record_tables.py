"""The tables of the journal, and rows read from them. records.py says what they hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from registry.storage.database import METADATA, sha256_text
from registry.storage.record import Fault, Record, Stamp, why_not_joined

BATCH = 500  # rows that are read at once on the way back
RECORDS = sa.Table(
    "voxfoundry_records",
    METADATA,
    sa.Column("voice", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("utc", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("prev_hash", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Column("public_key", sa.Text, nullable=False),
    sa.Column("signature", sa.Text, nullable=False),
    sa.Index("voxfoundry_records_by_kind", "voice", "kind", "number"),
)
HEADS = sa.Table(
    "voxfoundry_heads",
    METADATA,
    sa.Column("voice", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Column("utc", sa.Text, nullable=False),
    sa.Column("public_key", sa.Text, nullable=False),
    sa.Column("signature", sa.Text, nullable=False),
)


def walk_back(connection: sa.Connection, later: Stamp) -> Iterator[Record | Fault]:
    """Yield the rows before a genuine row, newest first, each proven by the hash that the row after it holds.

    A row that is not proven is yielded as a Fault, and nothing after it.
    """
    while later.number > 1:
        lowest = max(1, later.number - BATCH)
        is_wanted = (RECORDS.c.voice == later.voice) & RECORDS.c.number.between(lowest, later.number - 1)
        found = connection.execute(sa.select(RECORDS).where(is_wanted).order_by(RECORDS.c.number.desc())).mappings()
        batch = [as_record(later.database_id, row) for row in found]
        if not batch:
            yield Fault(later.voice, later.number - 1, f"it is missing, and row {later.number} follows")
            return
        for record in batch:
            if reason := why_not_joined(record, later):
                yield Fault(later.voice, later.number - 1, reason)
                return
            yield record
            later = record.stamp


def last_record(connection: sa.Connection, identity: str, voice: str) -> Record | None:
    """Return the newest row of a voice, or None.

    Args:
        connection: To the database.
        identity: The id of the database.
        voice: The voice's name.
    """
    newest = sa.select(RECORDS).where(RECORDS.c.voice == voice).order_by(RECORDS.c.number.desc()).limit(1)
    row = connection.execute(newest).mappings().first()
    return None if row is None else as_record(identity, row)


def as_record(identity: str, row: Mapping[str, Any]) -> Record:
    """Return a stored row. A value that is not text becomes text, so that the hash and not Python refuses it."""
    number = row["number"] if isinstance(row["number"], int) else -1
    text = {name: str(row[name]) for name in row if name != "number"}
    content = text.pop("content")
    return Record(Stamp(database_id=identity, number=number, content_sha256=sha256_text(content), **text), content)


def as_row(record: Record) -> dict[str, Any]:
    """Return a row as it is stored."""
    row = asdict(record.stamp) | {"content": record.content}
    return {column.name: row[column.name] for column in RECORDS.columns}

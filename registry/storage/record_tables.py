"""The tables of the journals: the rows of every voice, and the signed end of each voice's chain."""

from __future__ import annotations

import sqlalchemy as sa

from registry.storage.database import METADATA

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

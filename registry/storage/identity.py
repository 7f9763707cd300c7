"""The id of the database, which every signature of a journal covers, so rows of another database do not count."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import sqlalchemy as sa

from registry.keys.ed25519 import Signature
from registry.keys.signing import sign
from registry.keys.trust import load_trust
from registry.storage.database import METADATA, missing_tables, open_snapshot
from registry.storage.record import JournalError, WhyNotSigned
from registry.storage.store import Store

DATABASE = sa.Table(
    "voxfoundry_database",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("utc", sa.Text, nullable=False),
    sa.Column("public_key", sa.Text, nullable=False),
    sa.Column("signature", sa.Text, nullable=False),
)
OLD_JOURNAL = sa.table("voxfoundry_journal")  # of versions before this one


def database_id(store: Store) -> str | None:
    """Return the id of the database, None where it holds no journal yet.

    Raises:
        JournalError: The id is not what was signed, or an earlier version wrote the journal.
    """
    with open_snapshot(store) as connection:
        return None if connection is None else read_database_id(connection, signature_check(store.root))


def read_database_id(connection: sa.Connection, why_not_signed: WhyNotSigned) -> str | None:
    """Return the id of the database, None where it holds no journal yet.

    Args:
        connection: To the database.
        why_not_signed: Tells whether a signature counts.

    Raises:
        JournalError: The id is not what was signed, or an earlier version wrote the journal.
    """
    if not missing_tables(connection, OLD_JOURNAL):
        raise JournalError(
            "the database holds a journal of an earlier version of Voxfoundry, which is not read; "
            "begin with a new database (move mlflow.db away, or set VOXFOUNDRY_DATABASE_URI) and register again"
        )
    rows = [] if missing_tables(connection, DATABASE) else connection.execute(sa.select(DATABASE)).mappings().all()
    if not rows:
        return None
    if len(rows) > 1:
        raise JournalError(f"the database has {len(rows)} ids instead of one; restore the database before anything")
    identity, utc = str(rows[0]["id"]), str(rows[0]["utc"])
    signature = Signature(str(rows[0]["public_key"]), str(rows[0]["signature"]))
    if reason := why_not_signed(_message(identity, utc), signature):
        raise JournalError(f"the id of the database is not genuine: {reason}; restore the database before anything")
    return identity


def ensure_database_id(root: Path, connection: sa.Connection, why_not_signed: WhyNotSigned) -> str:
    """Return the id of the database. It gets a new one with its first row.

    Args:
        root: Of the project, whose key signs the id.
        connection: Inside an `append_transaction`.
        why_not_signed: Tells whether a signature counts.

    Raises:
        JournalError: The id is not what was signed, or an earlier version wrote the journal.
        SigningError: The id cannot be signed by a trusted key.
    """
    if (known := read_database_id(connection, why_not_signed)) is not None:
        return known
    identity, utc = str(uuid4()), datetime.now(UTC).isoformat(timespec="milliseconds")
    signature = sign(root, _message(identity, utc))
    connection.execute(sa.insert(DATABASE).values(id=identity, utc=utc, **asdict(signature)))
    return identity


def signature_check(root: Path) -> WhyNotSigned:
    """Return the function that tells whether a key that is or was trusted in a project signed a text.

    Raises:
        SigningError: A trusted key is unreadable.
    """
    return load_trust(root).why_not_authentic


def _message(identity: str, utc: str) -> str:
    return f"voxfoundry database {identity} {utc}"

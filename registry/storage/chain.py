"""Append-only tables that reveal every edit: the listeners' votes are written in one.

One chain spans a whole table, and every row vouches for the rows before it. Each row holds the hash of the row before
and a signature over its own hash, so an edited row is found even if every later hash was computed anew. The number of
the last row is signed in a separate table, because otherwise the newest rows could be cut off without a trace. A row is
never changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from registry.errors import RegistryError
from registry.keys.ed25519 import Signature, public_key_of
from registry.keys.signing import ensure_own_key, sign
from registry.storage.database import METADATA, canonical, missing_tables, open_snapshot, sha256_text
from registry.storage.identity import ensure_database_id, read_database_id, signature_check
from registry.storage.record import WhyNotSigned
from registry.storage.store import Store

FIRST_PREVIOUS = "0" * 64


@dataclass(frozen=True)
class Chain:
    """An append-only table with its signed end.

    Invariant: the rows are numbered from 1 without a gap, each holds the hash of the row before and a signature over
    its own hash, and the end names the last row.

    Attributes:
        name: Part of every signed text, so a row of one chain does not count in another.
        rows: The table of the rows.
        end: The table with one row that names the last row of the chain.
    """

    name: str
    rows: sa.Table
    end: sa.Table


@dataclass(frozen=True)
class Fault:
    """The first place where a chain is not what was written."""

    chain: str
    row: int
    reason: str

    def __str__(self) -> str:
        return f"the {self.chain} is broken at row {self.row}: {self.reason}"


class BrokenChainError(RegistryError, RuntimeError):
    """The end of a chain is not what was written, so nothing may be appended. The message names the row."""


def make_chain(name: str, table: str, *columns: sa.Column | sa.UniqueConstraint) -> Chain:
    """Return a chain with these columns between `number`, `utc` and the hashes.

    Args:
        name: What messages and signatures call the chain.
        table: Name of the table in the database.
        *columns: The columns of a row's contents.
    """
    rows = sa.Table(
        table,
        METADATA,
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("utc", sa.Text, nullable=False),
        *columns,
        sa.Column("public_key", sa.Text, nullable=False),
        sa.Column("prev_hash", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("signature", sa.Text, nullable=False),
    )
    end = sa.Table(
        f"{table}_head",
        METADATA,
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("public_key", sa.Text, nullable=False),
        sa.Column("signature", sa.Text, nullable=False),
    )
    return Chain(name, rows, end)


def read_chain(store: Store, chain: Chain) -> tuple[list[dict[str, Any]], Fault | None]:
    """Return all rows as stored, oldest first, and the first fault, None where the chain is whole.

    Raises:
        SigningError: A trusted key is unreadable.
    """
    with open_snapshot(store) as connection:
        if connection is None or missing_tables(connection, chain.rows, chain.end):
            return [], None
        ordered = sa.select(chain.rows).order_by(chain.rows.c.number)
        stored = [dict(row) for row in connection.execute(ordered).mappings()]
        ends = [dict(row) for row in connection.execute(sa.select(chain.end)).mappings()]
        if not stored and not ends:
            return [], None
        check = signature_check(store.root)
        identity = read_database_id(connection, check)
    return stored, find_fault(chain, stored, ends=ends, identity=str(identity), why_not_signed=check)


def append_row(store: Store, chain: Chain, connection: sa.Connection, contents: Mapping[str, Any]) -> dict[str, Any]:
    """Append a row inside an `append_transaction` and return it as stored.

    Args:
        store: Whose key signs the row.
        chain: Where the row goes.
        connection: The connection of the transaction, in which nobody else appends.
        contents: The values of the chain's own columns.

    Raises:
        BrokenChainError: The end of the chain is not what was written.
        SigningError: The row cannot be signed by a trusted key.
    """
    rows, end = chain.rows, chain.end
    # 1. Refuse to build on an end that was cut off or exchanged
    check = signature_check(store.root)
    identity = ensure_database_id(store.root, connection, check)
    last = connection.execute(sa.select(rows).order_by(rows.c.number.desc()).limit(1)).mappings().first()
    ends = [dict(row) for row in connection.execute(sa.select(end)).mappings()]
    if fault := _end_fault(chain, dict(last) if last else None, ends, identity, check):
        raise BrokenChainError(str(fault))
    # 2. Link the new row to the last one, hash it and sign the hash
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    row: dict[str, Any] = {
        "number": (last["number"] if last else 0) + 1,
        "utc": max(now, last["utc"]) if last else now,  # a clock that was set back does not set the chain back
        "prev_hash": last["hash"] if last else FIRST_PREVIOUS,
        "public_key": public_key_of(ensure_own_key(store.root)),
        **contents,
    }
    row["hash"] = row_hash(row)
    row |= asdict(sign(store.root, _row_message(chain, identity, row["hash"])))
    connection.execute(sa.insert(rows).values(**row))
    # 3. Sign the new end; the transaction makes it appear together with the row
    connection.execute(sa.delete(end))
    signed_end = asdict(sign(store.root, _end_message(chain, identity, row["number"], row["hash"])))
    connection.execute(sa.insert(end).values(number=row["number"], hash=row["hash"], **signed_end))
    return row


def find_fault(
    chain: Chain,
    rows: list[dict[str, Any]],
    *,
    ends: list[dict[str, Any]],
    identity: str,
    why_not_signed: WhyNotSigned,
) -> Fault | None:
    """Return the first place that is not as it was written, None where there is none. Reads nothing but its arguments.

    Args:
        chain: Whose rows they are.
        rows: All rows, oldest first.
        ends: The rows of the chain's end, one where it is whole.
        identity: The id of the database.
        why_not_signed: Tells whether a signature counts.
    """
    previous, utc = FIRST_PREVIOUS, ""
    for number, row in enumerate(rows, start=1):
        if row["number"] != number:
            return Fault(chain.name, number, f"it is missing, and row {row['number']} follows")
        if row["prev_hash"] != previous:
            return Fault(chain.name, number, "it does not continue the row before it")
        if row_hash(row) != row["hash"]:
            return Fault(chain.name, number, "its contents were changed after it was written")
        signature = Signature(row["public_key"], row["signature"])
        if reason := why_not_signed(_row_message(chain, identity, row["hash"]), signature):
            return Fault(chain.name, number, reason)
        if row["utc"] < utc:
            return Fault(chain.name, number, f"its time {row['utc']} is before that of the row before it")
        previous, utc = row["hash"], row["utc"]
    return _end_fault(chain, rows[-1] if rows else None, ends, identity, why_not_signed)


def row_hash(row: Mapping[str, Any]) -> str:
    """Return the sha256 over the canonical JSON of a row without its hash and signature."""
    outside = ("hash", "signature")
    contents = {name: value for name, value in row.items() if name not in outside}
    return sha256_text(canonical(contents))


def _end_fault(
    chain: Chain,
    last: dict[str, Any] | None,
    ends: list[dict[str, Any]],
    identity: str,
    why_not_signed: WhyNotSigned,
) -> Fault | None:
    if last is None and not ends:
        return None
    number = last["number"] if last else 0
    here = f"the {chain.name}'s signed end"
    if len(ends) != 1:
        return Fault(chain.name, max(number, 1), f"{here} has {len(ends)} entries instead of one")
    end = ends[0]
    message = _end_message(chain, identity, end["number"], end["hash"])
    if reason := why_not_signed(message, Signature(end["public_key"], end["signature"])):
        return Fault(chain.name, max(number, 1), f"{here} is not genuine: {reason}")
    if end["number"] != number:
        return Fault(chain.name, number + 1, f"{here} says {end['number']} rows and there are {number}")
    if last is None or end["hash"] != last["hash"]:
        return Fault(chain.name, number, f"{here} names another last row")
    return None


def _row_message(chain: Chain, identity: str, digest: str) -> str:
    return f"voxfoundry {chain.name} row {identity} {digest}"


def _end_message(chain: Chain, identity: str, number: int, digest: str) -> str:
    return f"voxfoundry {chain.name} end {identity} {number} {digest}"

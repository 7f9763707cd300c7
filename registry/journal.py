"""The release journal: what was released, when, by whom and from what; append-only and proven so.

One chain for the whole database, not one a voice: a row then vouches for every row before it, so that nobody can take
out a whole voice. Each row holds the hash of the row before, and a signature over its own hash: an edited row is found
even if every later hash was computed anew. The last row's number is signed in a table of its own, for otherwise the
newest rows could be cut off unseen.

A release writes two rows: `started` before the alias moves, then `done` or `undone`, which refers to the first. A row
is never changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any, Literal

import sqlalchemy as sa

from registry.database import METADATA, appending, canonical, rows_of, sha256_text
from registry.signing import Signature, sign, trusted_keys, why_not_valid
from registry.store import Store

Action = Literal["promote", "rollback", "revoke", "restore"]
State = Literal["started", "done", "undone"]
FIRST_PREVIOUS = "0" * 64

JOURNAL = sa.Table(
    "voxfoundry_journal",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("utc", sa.Text, nullable=False),
    sa.Column("voice", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("refers_to", sa.Integer),
    sa.Column("from_version", sa.Integer),
    sa.Column("to_version", sa.Integer),
    sa.Column("candidate_id", sa.Text),
    sa.Column("verdict_sha256", sa.Text),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("public_key", sa.Text, nullable=False),
    sa.Column("prev_hash", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Column("signature", sa.Text, nullable=False),
)
HEAD = sa.Table(
    "voxfoundry_journal_head",
    METADATA,
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Column("public_key", sa.Text, nullable=False),
    sa.Column("signature", sa.Text, nullable=False),
)


class JournalError(RuntimeError):
    """The journal was edited, or changed under our hands. The message names the row."""


@dataclass(frozen=True)
class Entry:
    """What a release writes; the journal adds number, time, hashes and signature."""

    voice: str
    action: Action
    state: State
    from_version: int | None  # champion before; None where there was none
    to_version: int | None  # champion after; None where the voice goes out of service
    candidate_id: str | None  # of to_version
    verdict_sha256: str | None  # of the signed verdict that allowed it; None where none is needed
    actor: str
    note: str = ""
    refers_to: int | None = None  # the `started` row that this one ends


@dataclass(frozen=True)
class Row:
    """One journal row, as stored."""

    number: int
    utc: str
    voice: str
    action: Action
    state: State
    refers_to: int | None
    from_version: int | None
    to_version: int | None
    candidate_id: str | None
    verdict_sha256: str | None
    actor: str
    note: str
    public_key: str
    prev_hash: str
    hash: str
    signature: str


@dataclass(frozen=True)
class Fault:
    """The first place where the journal is not what was written."""

    row: int
    reason: str

    def __str__(self) -> str:
        return f"the journal is broken at row {self.row}: {self.reason}"


@dataclass(frozen=True)
class Journal:
    rows: tuple[Row, ...]
    fault: Fault | None

    def of(self, voice: str) -> tuple[Row, ...]:
        """The voice's rows, oldest first."""
        return tuple(row for row in self.rows if row.voice == voice)

    def trusted(self) -> Journal:
        """The journal itself; JournalError if it is broken, for then nothing may be decided from it."""
        if self.fault is not None:
            raise JournalError(f"{self.fault}; run `vox audit` and restore the database before any release")
        return self


@dataclass(frozen=True)
class Release:
    """A version while it was champion."""

    version: int
    candidate_id: str
    row: int  # of its `done` row


@dataclass(frozen=True)
class Standing:
    """Where a voice stands after its rows."""

    stack: tuple[Release, ...]  # releases that a rollback can walk down; the last one is champion; empty: none serves
    past: dict[int, Release]  # every version that was ever champion
    unfinished: Row | None  # a `started` row that nothing ended

    @property
    def champion(self) -> Release | None:
        return self.stack[-1] if self.stack else None


def read_journal(store: Store) -> Journal:
    """All rows with the first fault, if there is one. Raises SigningError where the trusted keys are unreadable."""
    stored, heads = rows_of(store, JOURNAL), rows_of(store, HEAD)
    fault = find_fault(stored, heads, trusted_keys(store.root)) if stored or heads else None
    return Journal(tuple(Row(**row) for row in stored), fault)


def champion(store: Store, voice: str) -> Release | None:
    """The voice's champion by the journal, without MLflow. Raises JournalError where the journal is broken."""
    return standing(read_journal(store).trusted().of(voice)).champion


def history(store: Store, voice: str) -> tuple[Row, ...]:
    """The voice's rows, oldest first, whole or not: a broken journal can still be read by a person."""
    return read_journal(store).of(voice)


def append(store: Store, entry: Entry, last_seen: int) -> Row:
    """Append one row and return it; `last_seen` is the voice's newest row that the caller decided upon, 0 for none.

    Raises JournalError if another row of the voice was written since, or if the chain's end is broken.
    """
    trusted = trusted_keys(store.root)
    with appending(store) as connection:
        last = connection.execute(sa.select(JOURNAL).order_by(JOURNAL.c.number.desc()).limit(1)).mappings().first()
        heads = [dict(row) for row in connection.execute(sa.select(HEAD)).mappings()]
        newest = connection.scalar(sa.select(sa.func.max(JOURNAL.c.number)).where(JOURNAL.c.voice == entry.voice)) or 0
        if newest != last_seen:
            raise JournalError(
                f"{entry.voice}: row {newest} was written while this release was decided upon row {last_seen}; "
                "another release came first: look at `vox releases` and decide again"
            )
        if fault := _head_fault(dict(last) if last else None, heads, trusted):
            raise JournalError(f"{fault}; run `vox audit` and restore the database before any release")
        row: dict[str, Any] = {
            "number": (last["number"] if last else 0) + 1,
            "utc": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "prev_hash": last["hash"] if last else FIRST_PREVIOUS,
            **asdict(entry),
        }
        row["hash"] = row_hash(row)
        signature = sign(store.root, _row_message(row["hash"]))
        head = sign(store.root, _head_message(row["number"], row["hash"]))
        row |= {"public_key": signature.public_key, "signature": signature.signature}
        connection.execute(sa.insert(JOURNAL).values(**row))
        connection.execute(sa.delete(HEAD))
        connection.execute(sa.insert(HEAD).values(number=row["number"], hash=row["hash"], **asdict(head)))
    return Row(**row)


def standing(rows: Iterable[Row]) -> Standing:
    """Champion, rollback stack and past releases of one voice from its rows, oldest first."""
    stack: list[Release] = []
    past: dict[int, Release] = {}
    unfinished: Row | None = None
    for row in rows:
        if row.state == "started":
            unfinished = row
            continue
        unfinished = None
        if row.state == "undone" or row.action == "restore":
            continue
        if row.to_version is None:  # revoked: out of service, and a rollback may not walk behind it
            stack = []
            continue
        release = Release(row.to_version, str(row.candidate_id), row.number)
        if row.action == "rollback" and row.to_version in (versions := [entry.version for entry in stack]):
            top = len(versions) - versions[::-1].index(row.to_version)
            stack = stack[:top]
        else:
            stack.append(release)
        past[row.to_version] = release
    return Standing(tuple(stack), past, unfinished)


def find_fault(rows: list[dict[str, Any]], heads: list[dict[str, Any]], trusted: frozenset[str]) -> Fault | None:
    """The first row that is missing, changed, out of order or signed by nobody we trust; then the head. Pure."""
    previous = FIRST_PREVIOUS
    for number, row in enumerate(rows, start=1):
        if row["number"] != number:
            return Fault(number, f"it is missing, and row {row['number']} follows")
        if row["prev_hash"] != previous:
            return Fault(number, "it does not continue the row before it")
        if row_hash(row) != row["hash"]:
            return Fault(number, "its contents were changed after it was written")
        reason = why_not_valid(_row_message(row["hash"]), Signature(row["public_key"], row["signature"]), trusted)
        if reason:
            return Fault(number, reason)
        previous = row["hash"]
    return _head_fault(rows[-1] if rows else None, heads, trusted)


def row_hash(row: Mapping[str, Any]) -> str:
    """sha256 over the canonical JSON of a row's contents and prev_hash; signer and signature come after it."""
    outside = ("hash", "signature", "public_key")
    contents = {name: value for name, value in row.items() if name not in outside}
    return sha256_text(canonical(contents))


def _head_fault(last: dict[str, Any] | None, heads: list[dict[str, Any]], trusted: frozenset[str]) -> Fault | None:
    if last is None and not heads:
        return None
    number = last["number"] if last else 0
    if len(heads) != 1:
        return Fault(max(number, 1), f"the journal's signed end has {len(heads)} entries instead of one")
    head = heads[0]
    message = _head_message(head["number"], head["hash"])
    if reason := why_not_valid(message, Signature(head["public_key"], head["signature"]), trusted):
        return Fault(max(number, 1), f"the journal's signed end is not genuine: {reason}")
    if head["number"] != number:
        return Fault(number + 1, f"the journal's signed end says {head['number']} rows and there are {number}")
    if last is None or head["hash"] != last["hash"]:
        return Fault(number, "the journal's signed end names another last row")
    return None


def _row_message(digest: str) -> str:
    return f"voxfoundry journal row {digest}"


def _head_message(number: int, digest: str) -> str:
    return f"voxfoundry journal end {number} {digest}"


assert {field.name for field in fields(Row)} == {column.name for column in JOURNAL.columns}

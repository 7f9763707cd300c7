"""The release journal: what was released, when, by whom and from what; append-only and proven so (chain.py).

One journal for all voices of a database, so that nobody can take out a whole voice. A release writes two rows:
`started` before the alias moves, then `done` or `undone`, which refers to the first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Literal

import sqlalchemy as sa

from registry.storage.chain import BrokenChainError, Fault, append_row, make_chain, read_chain
from registry.storage.database import appending
from registry.storage.store import Store

Action = Literal["promote", "rollback", "revoke", "restore"]
State = Literal["started", "done", "undone"]

JOURNAL = make_chain(
    "journal",
    "voxfoundry_journal",
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
class ReleaseState:
    """Where a voice stands after its rows."""

    stack: tuple[Release, ...]  # releases that a rollback can walk down; the last one is champion; empty: none serves
    past: dict[int, Release]  # every version that was ever champion
    unfinished: Row | None  # a `started` row that nothing ended

    @property
    def champion(self) -> Release | None:
        return self.stack[-1] if self.stack else None


def read_journal(store: Store) -> Journal:
    """All rows with the first fault, if there is one. Raises SigningError where the trusted keys are unreadable."""
    stored, fault = read_chain(store, JOURNAL)
    return Journal(tuple(Row(**row) for row in stored), fault)


def champion(store: Store, voice: str) -> Release | None:
    """The voice's champion by the journal, without MLflow. Raises JournalError where the journal is broken."""
    return release_state(read_journal(store).trusted().of(voice)).champion


def history(store: Store, voice: str) -> tuple[Row, ...]:
    """The voice's rows, oldest first, whole or not: a broken journal can still be read by a person."""
    return read_journal(store).of(voice)


def append(store: Store, entry: Entry, last_seen: int) -> Row:
    """Append one row and return it; `last_seen` is the voice's newest row that the caller decided upon, 0 for none.

    Raises JournalError if another row of the voice was written since, or if the chain's end is broken.
    """
    rows = JOURNAL.rows
    with appending(store) as connection:
        newest = connection.scalar(sa.select(sa.func.max(rows.c.number)).where(rows.c.voice == entry.voice)) or 0
        if newest != last_seen:
            raise JournalError(
                f"{entry.voice}: row {newest} was written while this release was decided upon row {last_seen}; "
                "another release came first: look at `vox releases` and decide again"
            )
        try:
            row = append_row(store, JOURNAL, connection, asdict(entry))
        except BrokenChainError as error:
            raise JournalError(f"{error}; run `vox audit` and restore the database before any release") from error
    return Row(**row)


def release_state(rows: Iterable[Row]) -> ReleaseState:
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
    return ReleaseState(tuple(stack), past, unfinished)


assert {field.name for field in fields(Row)} == {column.name for column in JOURNAL.rows.columns}

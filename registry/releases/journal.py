"""The release journal: what was released, when, by whom and on which verdict.

The journal is a signed chain (registry/storage/chain.py), so an edited, missing or added row is found. All voices of a
database share one journal, so that nobody can remove a whole voice from it. A release writes two rows: `started` before
the alias moves, then `done` or `undone`, which refers to the first. The release state of a voice (champion, rollback
stack, past releases) follows from its rows alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Literal

import sqlalchemy as sa

from registry.errors import RegistryError
from registry.storage.chain import BrokenChainError, Fault, append_row, make_chain, read_chain
from registry.storage.database import append_transaction
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


class JournalError(RegistryError, RuntimeError):
    """The journal was edited, or another release wrote to it meanwhile. The message names the row."""


@dataclass(frozen=True)
class Entry:
    """What a release writes. The journal adds number, time, hashes and signature."""

    voice: str
    action: Action
    state: State
    from_version: int | None  # champion before, None if there was none
    to_version: int | None  # champion after, None if the voice goes out of service
    candidate_id: str | None  # of to_version
    verdict_sha256: str | None  # of the signed verdict that allowed it, None if it needs none
    actor: str
    note: str = ""
    refers_to: int | None = None  # the `started` row that this one ends


@dataclass(frozen=True)
class Row:
    """One journal row as stored: an Entry, and what the chain added to it."""

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
    """All rows of all voices, and the first place where they are not what was written."""

    rows: tuple[Row, ...]  # oldest first
    fault: Fault | None  # None where the journal is whole

    def rows_of(self, voice: str) -> tuple[Row, ...]:
        """Return the voice's rows, oldest first."""
        return tuple(row for row in self.rows if row.voice == voice)

    def last_row_of(self, voice: str) -> int:
        """Return the number of the voice's newest row, 0 if it has none."""
        rows = self.rows_of(voice)
        return rows[-1].number if rows else 0

    def require_whole(self) -> Journal:
        """Return the journal itself.

        Raises:
            JournalError: The journal is broken, so nothing may be decided from it.
        """
        if self.fault is not None:
            raise JournalError(f"{self.fault}; run `vox audit` and restore the database before any release")
        return self


@dataclass(frozen=True)
class Release:
    """A version while it was champion."""

    version: int
    candidate_id: str
    row: int  # number of its `done` row


@dataclass(frozen=True)
class ReleaseState:
    """What a voice's rows say: its champion, and what a rollback can go back to."""

    stack: tuple[Release, ...]  # what rollbacks walk down, champion last; empty if no version is in service
    past: dict[int, Release]  # every version that was ever champion
    unfinished: Row | None  # a `started` row without an end

    @property
    def champion(self) -> Release | None:
        """Return the release that is in service, if there is one."""
        return self.stack[-1] if self.stack else None


def read_journal(store: Store) -> Journal:
    """Return all rows with the first fault, if there is one.

    Raises:
        SigningError: A trusted key is unreadable.
    """
    stored, fault = read_chain(store, JOURNAL)
    return Journal(tuple(Row(**row) for row in stored), fault)


def champion(store: Store, voice: str) -> Release | None:
    """Return the voice's champion according to the journal, without asking MLflow.

    Raises:
        JournalError: The journal is broken.
    """
    return release_state(read_journal(store).require_whole().rows_of(voice)).champion


def history(store: Store, voice: str) -> tuple[Row, ...]:
    """Return the voice's rows, oldest first, from a broken journal too: a person may still read them."""
    return read_journal(store).rows_of(voice)


def append(store: Store, entry: Entry, *, last_seen: int) -> Row:
    """Append one row and return it.

    Args:
        store: Whose journal it is.
        entry: What the row says.
        last_seen: Number of the voice's newest row that the caller's decision rests on, 0 for none.

    Raises:
        JournalError: Another row of the voice was written since, or the end of the chain is broken.
    """
    rows = JOURNAL.rows
    with append_transaction(store) as connection:
        newest = connection.scalar(sa.select(sa.func.max(rows.c.number)).where(rows.c.voice == entry.voice)) or 0
        if newest != last_seen:
            raise JournalError(
                f"{entry.voice}: row {newest} was written after row {last_seen}, on which this release was decided; "
                "another release came first, so look at `vox releases` and decide again"
            )
        try:
            row = append_row(store, JOURNAL, connection, asdict(entry))
        except BrokenChainError as error:
            raise JournalError(f"{error}; run `vox audit` and restore the database before any release") from error
    return Row(**row)


def release_state(rows: Iterable[Row]) -> ReleaseState:
    """Return champion, rollback stack and past releases of one voice from its rows, oldest first."""
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
        if row.to_version is None:  # revoked: out of service, and no rollback may go back beyond it
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

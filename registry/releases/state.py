"""The release state of a voice: what its journal says about champion, rollback and revocation.

The state follows from the rows alone, one row after another (`next_state`). It is bounded, so that a checkpoint can
hold it: a rollback goes back over the newest 100 releases. Versions are told apart by their candidate id, because
MLflow counts from 1 again after a registered model was deleted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, Literal

from pydantic import TypeAdapter

Action = Literal["promote", "rollback", "revoke", "restore"]
State = Literal["started", "done", "undone"]
MAX_RELEASES = 100  # that a rollback can go back over


@dataclass(frozen=True)
class Entry:
    """What a release writes into the journal.

    Versions are MLflow's numbers at that time, for people to read. What counts is the candidate id.
    """

    action: Action
    state: State
    from_version: int | None  # champion before, None if there was none
    from_candidate_id: str | None
    to_version: int | None  # champion after, None if the voice goes out of service
    candidate_id: str | None  # of to_version
    verdict_sha256: str | None  # of the signed verdict that allowed it, None if it needs none
    consent_sha256: str | None  # of the consent that it rests on, or that was revoked
    actor: str
    note: str = ""
    revoked_on: str | None = None  # the day of a revocation, ISO 8601
    refers_to: int | None = None  # the `started` row that this one ends
    approvals: int = 0  # release managers who had to approve it


@dataclass(frozen=True)
class Row:
    """A row of the journal that a release wrote: an Entry, its number and its time."""

    number: int
    utc: str
    action: Action
    state: State
    from_version: int | None
    from_candidate_id: str | None
    to_version: int | None
    candidate_id: str | None
    verdict_sha256: str | None
    consent_sha256: str | None
    actor: str
    note: str
    revoked_on: str | None
    refers_to: int | None
    approvals: int | None = 0


@dataclass(frozen=True)
class Release:
    """A candidate while it was champion."""

    version: int  # as MLflow numbered it then
    candidate_id: str
    row: int  # number of its `done` row
    consent_sha256: str | None = None


@dataclass(frozen=True)
class Revocation:
    """The newest revocation of a voice's consent. It binds for ever."""

    row: int  # number of its `started` row
    day: str  # ISO 8601; only a consent that was granted on this day or later counts
    consents: tuple[str, ...]  # sha256 of every consent that was ever revoked; none of them counts again


@dataclass(frozen=True)
class ReleaseState:
    """What a voice's rows say.

    Invariant: nothing in `stack` and `past` was released before the revocation.
    """

    stack: tuple[Release, ...] = ()  # what rollbacks walk down, champion last; empty if no version is in service
    past: tuple[Release, ...] = ()  # candidates that were champion, one entry for each, the newest last
    revocation: Revocation | None = None
    unfinished: Row | None = None  # a `started` row without an end
    last_row: int = 0  # number of the newest row that a release wrote

    @property
    def champion(self) -> Release | None:
        """Return the release that is in service, if there is one."""
        return self.stack[-1] if self.stack else None

    def past_release(self, candidate_id: str) -> Release | None:
        """Return the release of a candidate that was champion, if it was."""
        return next((release for release in self.past if release.candidate_id == candidate_id), None)

    def as_content(self) -> dict[str, Any]:
        """Return the state as JSON values, for a checkpoint."""
        return _STATE.dump_python(self, mode="json")


_STATE = TypeAdapter(ReleaseState)


def read_state(content: dict[str, Any]) -> ReleaseState:
    """Return the state that a checkpoint holds.

    Raises:
        ValueError: It does not hold one.
    """
    return _STATE.validate_python(content)


def next_state(state: ReleaseState, row: Row) -> ReleaseState:
    """Return the state after one more row.

    An end that does not fit the open `started` row changes nothing: any trusted key may sign an end, so it must not
    release what was not started.
    """
    state, started = replace(state, last_row=row.number), state.unfinished
    if row.state == "started":
        state = replace(state, unfinished=row)
        return _revoke(state, row) if row.action == "revoke" else state
    if started is None or not is_end_of(row, started):
        return state
    state = replace(state, unfinished=None)
    if row.state == "undone" or row.action in ("restore", "revoke"):
        return state  # a revocation took effect with its first row
    release = Release(row.to_version or 0, str(row.candidate_id), row.number, row.consent_sha256)
    stack = state.stack
    ids = [entry.candidate_id for entry in stack]
    if row.action == "rollback" and row.candidate_id in ids:
        stack = stack[: len(ids) - ids[::-1].index(row.candidate_id)]
    else:
        stack = (*stack, release)[-MAX_RELEASES:]
    others = tuple(entry for entry in state.past if entry.candidate_id != release.candidate_id)
    return replace(state, stack=stack, past=(*others, release)[-MAX_RELEASES:])


def state_after(rows: Iterable[Row], state: ReleaseState | None = None) -> ReleaseState:
    """Return the state after rows, oldest first.

    Args:
        rows: Those that releases wrote.
        state: Before the first row, default that of a voice without any.
    """
    return reduce(next_state, rows, state or ReleaseState())


def is_end_of(row: Row, started: Row) -> bool:
    """Return whether a row ends the release that another row started."""
    same = ("action", "from_candidate_id", "candidate_id", "to_version", "verdict_sha256", "consent_sha256")
    return row.refers_to == started.number and all(getattr(row, name) == getattr(started, name) for name in same)


def _revoke(state: ReleaseState, row: Row) -> ReleaseState:
    """Return the state after a revocation: no version in service, and none to go back to."""
    before = state.revocation.consents if state.revocation else ()
    released = {release.consent_sha256 for release in (*state.stack, *state.past)}
    consents = {*before, row.consent_sha256, *released} - {None}
    revocation = Revocation(row.number, row.revoked_on or row.utc[:10], tuple(sorted(consents)))
    return replace(state, stack=(), past=(), revocation=revocation)

"""The one place that moves the alias `champion`.

The invariant of a release: every alias move lies between two signed journal rows. `move_alias` keeps it, and
`recover_under_lock` restores it after a process was killed between the two rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from registry.errors import RegistryError
from registry.releases.journal import Action, Entry, Release, ReleaseState, Row, append, read_journal, release_state
from registry.storage.database import exclusive_lock
from registry.storage.model_registry import delete_alias, find_version, read_alias, set_alias
from registry.storage.model_version import ModelRegistryError
from registry.storage.store import Store

CHAMPION = "champion"


class ReleaseRefused(RegistryError, RuntimeError):  # noqa: N818  (an answer, not a fault)
    """The release was refused and nothing has changed. The message gives every reason."""

    exit_code = 1


@dataclass(frozen=True)
class AliasMove:
    """What a release did."""

    voice: str
    changed: bool
    from_version: int | None
    to_version: int | None
    note: str  # what happened, in a sentence


@contextmanager
def release_lock(store: Store, voice: str) -> Iterator[None]:
    """Hold the lock under which a voice's champion is decided and moved.

    Raises:
        BusyError: Another process held it for too long.
    """
    with exclusive_lock(store, f"release-{voice}"):
        yield


def champion_alias(store: Store, voice: str) -> int | None:
    """Return the version that MLflow's alias names, or None."""
    return read_alias(store, voice, CHAMPION)


def move_alias(
    store: Store,
    voice: str,
    *,
    action: Action,
    state: ReleaseState,
    target: Release | None,
    last_row: int,
    actor: str,
    verdict_sha256: str | None = None,
    note: str = "",
    recovery: tuple[str, ...] = (),
) -> AliasMove:
    """Move the alias to the target, between two journal rows. Call it under the release lock.

    Args:
        store: Where MLflow and the journal are.
        voice: The voice's name.
        action: What the journal calls the move.
        state: The voice's release state before it.
        target: What becomes champion, None to take the voice out of service.
        last_row: The voice's newest journal row that the decision rests on, 0 for none.
        actor: Who releases.
        verdict_sha256: The sha256 of the verdict that allows it, None if it needs none.
        note: Goes into the journal.
        recovery: What was recovered before, for the note of the result.

    Raises:
        ReleaseRefused: MLflow did not move the alias. Everything is as before.
        JournalError: Another release came first. Everything is as before.
    """
    before = state.champion
    entry = Entry(
        voice=voice,
        action=action,
        state="started",
        from_version=before.version if before else None,
        to_version=target.version if target else None,
        candidate_id=target.candidate_id if target else None,
        verdict_sha256=verdict_sha256,
        actor=actor,
        note=note,
    )
    # 1. Write the `started` row: from here on a killed move can be found and finished or undone
    started = append(store, entry, last_seen=last_row)
    # 2. Move the alias and read it back
    if error := _set_alias(store, voice, entry.to_version):
        recover_under_lock(store, voice, actor)
        raise ReleaseRefused(f"{voice}: MLflow did not move the alias ({error}); the champion is as before")
    # 3. Write the `done` row, which makes the target champion
    _append_end(store, started, "done", actor, note)
    former = f"{version_name(entry.from_version)} was champion before"
    outcome = f"{version_name(entry.to_version)} is champion now; {former}" if target else f"out of service; {former}"
    return AliasMove(voice, True, entry.from_version, entry.to_version, "; ".join((*recovery, outcome)))


def recover_under_lock(store: Store, voice: str, actor: str) -> tuple[str, ...]:
    """Finish or undo a half-done release, then put the alias where the journal says. Call it under the release lock.

    A half-done release whose alias has moved is finished, and so is a revocation. Any other is undone, because what
    allowed it may no longer be true. An alias that somebody moved without the journal is put back, and the journal says
    so.

    Args:
        store: Where MLflow and the journal are.
        voice: The voice's name.
        actor: Who releases.

    Returns:
        What was done, in words. Empty if there was nothing to recover.

    Raises:
        JournalError: The journal is broken.
    """
    notes = []
    # 1. Give a `started` row without an end the end that fits where the alias is
    journal = read_journal(store).require_whole()
    state = release_state(journal.rows_of(voice))
    if state.unfinished is not None:
        notes.append(_end_unfinished(store, state.unfinished, actor))
        journal = read_journal(store).require_whole()
        state = release_state(journal.rows_of(voice))
    # 2. Compare MLflow's alias with the journal, and put it back where they differ
    alias, champion = champion_alias(store, voice), state.champion
    if alias != (champion.version if champion else None):
        if champion is not None and not version_exists(store, voice, champion.version):
            notes.append(f"version {champion.version}, the champion, is gone from MLflow; roll back to a former one")
        else:
            notes.append(_restore_alias(store, voice, journal.last_row_of(voice), champion, alias, actor))
    return tuple(notes)


def version_exists(store: Store, voice: str, version: int) -> bool:
    """Return whether MLflow still has a version."""
    return find_version(store, voice, version) is not None


def version_name(version: int | None) -> str:
    """Return a version as messages and journal notes name it."""
    return "nothing" if version is None else f"version {version}"


def _end_unfinished(store: Store, started: Row, actor: str) -> str:
    if started.action == "revoke":  # whatever else went wrong, a voice without consent must not stay in service
        _set_alias(store, started.voice, None)
    if champion_alias(store, started.voice) == started.to_version:
        _append_end(store, started, "done", actor, "finished by recovery")
        return f"finished the {started.action} to {version_name(started.to_version)} of row {started.number}"
    _append_end(store, started, "undone", actor, "undone by recovery: the alias was not there")
    return f"undid the {started.action} to {version_name(started.to_version)} of row {started.number}"


def _restore_alias(
    store: Store, voice: str, last_seen: int, champion: Release | None, alias: int | None, actor: str
) -> str:
    """Put the alias back where the journal says, between two journal rows, and return what was done in words."""
    target = champion.version if champion else None
    note = f"the alias was at {version_name(alias)}, moved by hand or lost with a deleted version"
    entry = Entry(
        voice=voice,
        action="restore",
        state="started",
        from_version=alias,
        to_version=target,
        candidate_id=champion.candidate_id if champion else None,
        verdict_sha256=None,
        actor=actor,
        note=note,
    )
    started = append(store, entry, last_seen=last_seen)
    if error := _set_alias(store, voice, target):
        _append_end(store, started, "undone", actor, f"MLflow: {error}")
        return f"could not put the alias back to {version_name(target)}: {error}"
    _append_end(store, started, "done", actor, note)
    return f"put the alias back to {version_name(target)}; {note}"


def _set_alias(store: Store, voice: str, version: int | None) -> str | None:
    """Move or remove the alias and read it back. Return None if it is where it should be, else what MLflow says."""
    try:
        if version is None:
            delete_alias(store, voice, CHAMPION)
        else:
            set_alias(store, voice, CHAMPION, version)
    except ModelRegistryError as error:
        return str(error)
    seen = champion_alias(store, voice)
    if seen == version:
        return None
    return f"the alias reads {version_name(seen)} after it was set to {version_name(version)}"


def _append_end(store: Store, started: Row, state: Literal["done", "undone"], actor: str, note: str) -> Row:
    """Append the row that ends a `started` row."""
    entry = Entry(
        voice=started.voice,
        action=started.action,
        state=state,
        from_version=started.from_version,
        to_version=started.to_version,
        candidate_id=started.candidate_id,
        verdict_sha256=started.verdict_sha256,
        actor=actor,
        note=note,
        refers_to=started.number,
    )
    return append(store, entry, last_seen=started.number)

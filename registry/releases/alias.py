"""The one place that moves the alias `champion`.

The invariant of a release: every alias move lies between two signed journal rows. `move_alias` keeps it, and
recovery.py restores it after a process was killed between the two rows. A candidate is known by its id. The version
that the alias names is looked up by the id each time, because MLflow counts from 1 again after a registered model was
deleted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from registry.candidates.candidate import as_candidate, voice_folder_of
from registry.candidates.fingerprint import CandidateError
from registry.candidates.signed_registrations import is_registered, why_not_registered
from registry.errors import RegistryError
from registry.releases.journal import append
from registry.releases.state import Action, Entry, Release, ReleaseState, Row
from registry.storage.database import exclusive_lock
from registry.storage.model_registry import delete_alias, find_version, find_versions, read_alias, set_alias
from registry.storage.model_version import ModelRegistryError, VersionRow
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


@dataclass(frozen=True)
class NamedVersion:
    """The version that MLflow's alias names, and which candidate it is."""

    version: int
    candidate_id: str | None  # None where nobody registered the version


@contextmanager
def begin_refusals_with(recovery: tuple[str, ...]) -> Iterator[None]:
    """Begin every refusal with what was recovered before, because that has changed something.

    Args:
        recovery: What was recovered, in words.
    """
    try:
        yield
    except ReleaseRefused as refusal:
        if not recovery:
            raise
        raise ReleaseRefused("; ".join((*recovery, str(refusal)))) from refusal


@contextmanager
def release_lock(store: Store, voice: str) -> Iterator[None]:
    """Hold the lock under which a voice's champion is decided and moved.

    Raises:
        BusyError: Another process held it for too long.
    """
    with exclusive_lock(store, f"release-{voice}"):
        yield


def champion_alias(store: Store, voice: str) -> NamedVersion | None:
    """Return the version that MLflow's alias names, or None."""
    version = read_alias(store, voice, CHAMPION)
    if version is None:
        return None
    row = find_version(store, voice, version)
    is_known = row is not None and is_registered(store, voice, row.tags)
    return NamedVersion(version, row.tags["candidate_id"] if is_known else None)


def is_at(alias: NamedVersion | None, candidate_id: str | None) -> bool:
    """Return whether the alias names a candidate, or is not there for None."""
    return alias is None if candidate_id is None else alias is not None and alias.candidate_id == candidate_id


def released_version(store: Store, voice: str, release: Release) -> int | None:
    """Return the number by which MLflow knows a released candidate today, None where it is gone.

    A candidate that was damaged is registered again under a new number. Of several, the released one counts while its
    files are as registered, then the newest whose files are.

    Args:
        store: Where MLflow is.
        voice: The voice's name.
        release: What was released.
    """
    found = find_versions(store, voice, release.candidate_id)
    # Anybody who can write to MLflow can make a version with this id, so those that were registered come first
    registered = [row for row in found if why_not_registered(store, voice, row.tags) is None]
    rows = sorted(registered or found, key=lambda row: row.version != release.version)
    if len(rows) > 1:  # else the caller says what is wrong with its files
        rows = [row for row in rows if _has_whole_voice(store, row)] or rows
    return rows[0].version if rows else None


def _has_whole_voice(store: Store, row: VersionRow) -> bool:
    """Return whether every byte of a version's voice is as registered."""
    try:
        voice_folder_of(store, as_candidate(row))
    except CandidateError:
        return False
    return True


def move_alias(
    store: Store,
    voice: str,
    *,
    action: Action,
    state: ReleaseState,
    target: Release,
    actor: str,
    verdict_sha256: str | None = None,
    approvals: int = 0,
    note: str = "",
    recovery: tuple[str, ...] = (),
) -> AliasMove:
    """Move the alias to the target, between two journal rows. Call it under the release lock.

    Args:
        store: Where MLflow and the journal are.
        voice: The voice's name.
        action: What the journal calls the move.
        state: The voice's release state that the decision rests on.
        target: What becomes champion: the version that MLflow has today, the candidate and the consent.
        actor: Who releases.
        verdict_sha256: The sha256 of the verdict that allows it, None if it needs none.
        approvals: How many release managers had to approve it.
        note: Goes into the journal.
        recovery: What was recovered before, for the note of the result.

    Raises:
        ReleaseRefused: MLflow did not move the alias. Everything is as before.
        ModelRegistryError: MLflow does not tell whether it moved the alias. The next release command finds out.
        JournalError: Another release came first. Everything is as before.
    """
    before = state.champion
    entry = Entry(
        action=action,
        state="started",
        from_version=before.version if before else None,
        from_candidate_id=before.candidate_id if before else None,
        to_version=target.version,
        candidate_id=target.candidate_id,
        verdict_sha256=verdict_sha256,
        consent_sha256=target.consent_sha256,
        actor=actor,
        note=note,
        approvals=approvals,
    )
    # 1. Write the `started` row: from here on a killed move can be found and finished or undone
    started = append(store, voice, entry, last_seen=state.last_row)
    # 2. Move the alias and read it back
    error = place_alias(store, voice, target.version)
    if error is not None and not _has_moved(store, voice, started, error):
        append_end(store, voice, started, "undone", actor, f"MLflow: {error}")
        raise ReleaseRefused(f"{voice}: MLflow did not move the alias ({error}); the champion is as before")
    # 3. Write the `done` row, which makes the target champion
    append_end(store, voice, started, "done", actor, note)
    former = f"{version_name(entry.from_version)} was champion before"
    outcome = f"{version_name(entry.to_version)} is champion now; {former}"
    return AliasMove(voice, True, entry.from_version, entry.to_version, "; ".join((*recovery, outcome)))


def _has_moved(store: Store, voice: str, started: Row, error: str) -> bool:
    """Return whether the alias is on the target of a move after all, although MLflow answered with an error.

    Raises:
        ModelRegistryError: MLflow does not tell. The move stays half done, and recovery ends it.
    """
    try:
        return is_at(champion_alias(store, voice), started.candidate_id)
    except (RegistryError, OSError) as unknown:
        raise ModelRegistryError(
            f"MLflow does not tell whether it moved the alias of {voice} ({error}), so the {started.action} to "
            f"{version_name(started.to_version)} is half done; once MLflow answers, the next release command of the "
            "voice finishes or undoes it"
        ) from unknown


def append_end(store: Store, voice: str, started: Row, state: Literal["done", "undone"], actor: str, note: str) -> Row:
    """Append the row that ends a `started` row, and return it.

    Args:
        store: Where the journal is.
        voice: The voice's name.
        started: The row that it ends.
        state: How it ended.
        actor: Who ends it.
        note: Goes into the journal.
    """
    entry = Entry(
        action=started.action,
        state=state,
        from_version=started.from_version,
        from_candidate_id=started.from_candidate_id,
        to_version=started.to_version,
        candidate_id=started.candidate_id,
        verdict_sha256=started.verdict_sha256,
        consent_sha256=started.consent_sha256,
        actor=actor,
        note=note,
        revoked_on=started.revoked_on,
        refers_to=started.number,
    )
    return append(store, voice, entry, last_seen=started.number)


def place_alias(store: Store, voice: str, version: int | None) -> str | None:
    """Move or remove the alias and read it back.

    What is read back counts. An error of the move alone says nothing: the answer of a move that was done may be lost.

    Returns:
        None if it is where it should be, else what MLflow says.
    """
    said = None
    try:
        if version is None:
            delete_alias(store, voice, CHAMPION)
        else:
            set_alias(store, voice, CHAMPION, version)
    except (RegistryError, OSError) as error:
        said = " ".join(str(error).split())
    try:
        seen = read_alias(store, voice, CHAMPION)
    except (RegistryError, OSError) as error:
        return said or " ".join(str(error).split())
    if seen == version:
        return None
    return said or f"the alias reads {version_name(seen)} after it was set to {version_name(version)}"


def version_name(version: int | None) -> str:
    """Return a version as messages and journal notes name it."""
    return "nothing" if version is None else f"version {version}"

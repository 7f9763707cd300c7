"""A rollback that is given again after an error, a kill or a lost answer: it must not go back twice.

A rollback without a version means the release before the champion, so the same words mean another release once it was
done.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from registry.releases.alias import AliasMove
from registry.releases.journal import RELEASE, read_journal
from registry.releases.recovery import Recovery
from registry.storage.anchor import AnchorError
from registry.storage.database import DatabaseUnreachableError, LockLostError
from registry.storage.model_version import ModelRegistryError
from registry.storage.records import find_records, newest_record
from registry.storage.store import Store


@contextmanager
def name_target_in_errors(voice: str) -> Iterator[list[int]]:
    """Tell how to repeat a rollback after an error that leaves open whether it was done.

    Args:
        voice: The voice's name.

    Yields:
        An empty list. Where a rollback has no `to`, the caller adds the version once it knows where it goes back to.
    """
    targets: list[int] = []
    try:
        yield targets
    except (AnchorError, DatabaseUnreachableError, LockLostError, ModelRegistryError) as error:
        if not targets:
            raise
        raise type(error)(
            f"{error}; this rollback may be done already, so repeat it as `vox rollback {voice} --to {targets[-1]}`: "
            "without --to it could go back one release more"
        ) from error


def target_of_unfinished_rollback(store: Store, voice: str) -> list[int]:
    """Return the version that a half-done rollback goes back to, as a list that is empty where there is none."""
    row = read_journal(store, voice).state.unfinished
    return [row.to_version] if row is not None and row.action == "rollback" and row.to_version else []


def find_done_rollback(
    store: Store, voice: str, recovery: Recovery, *, to: int | None, request: str
) -> AliasMove | None:
    """Return the rollback that is done already: for the same request, or by the recovery. None where there is none.

    Args:
        store: Where the journal is.
        voice: The voice's name.
        recovery: What was recovered.
        to: The version that was named, None for the release before.
        request: Names what asked for the rollback, empty for a new request.

    Raises:
        ReleaseRefused: It is done, and the champion is not in service.
    """
    finished, champion = recovery.finished, recovery.journal.state.champion
    if to is None and finished is not None and finished.action == "rollback":
        recovery.require_service(finished.to_version or 0)
        note = "; ".join((*recovery.notes, "give the command again to go back one release more"))
        return AliasMove(voice, True, finished.from_version, finished.to_version, note)
    if not request or champion is None:
        return None
    started = newest_record(store, voice, RELEASE, action="rollback", state="started", note=request)
    if started is None:
        return None
    ends = find_records(store, voice, RELEASE, since=started.number, state="done", refers_to=started.number)
    if not ends:
        return None
    recovery.require_service(champion.version)
    note = f"this rollback was done in row {ends[0].number}; version {champion.version} is champion now"
    return AliasMove(voice, False, champion.version, champion.version, "; ".join((*recovery.notes, note)))

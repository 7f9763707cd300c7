"""The one place that moves the alias `champion`, always between two journal rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from registry.releases.journal import (
    Action,
    Entry,
    Journal,
    Release,
    ReleaseState,
    Row,
    append,
    read_journal,
    release_state,
)
from registry.storage.database import exclusive
from registry.storage.store import Store, mlflow_client

CHAMPION = "champion"


class ReleaseRefused(RuntimeError):  # noqa: N818  (an answer, not a fault)
    """The release was refused and nothing has changed. The message gives every reason."""


@dataclass(frozen=True)
class AliasMove:
    """What a release did."""

    voice: str
    changed: bool
    from_version: int | None
    to_version: int | None
    note: str  # what happened, in a sentence


@contextmanager
def releasing(store: Store, voice: str) -> Iterator[None]:
    """The lock under which a voice's champion is decided and moved. Raises BusyError."""
    with exclusive(store, f"release-{voice}"):
        yield


def champion_alias(store: Store, voice: str) -> int | None:
    """The version that MLflow's alias names, or None."""
    client = mlflow_client(store)
    from mlflow.exceptions import MlflowException

    try:
        version = client.get_registered_model(voice).aliases.get(CHAMPION)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None
    return None if version is None else int(version)


def move(
    store: Store,
    voice: str,
    action: Action,
    before: ReleaseState,
    target: Release | None,
    *,
    last_row: int,
    verdict_sha256: str | None = None,
    actor: str,
    note: str = "",
    recovered: tuple[str, ...] = (),
) -> AliasMove:
    """Move the alias to the target (None: out of service): journal, alias, check, journal. Call it under the lock.

    last_row: the voice's newest journal row that the decision rests on. Raises ReleaseRefused, with everything as
    before, if MLflow does not do it.
    """
    champion = before.champion
    entry = Entry(
        voice=voice,
        action=action,
        state="started",
        from_version=champion.version if champion else None,
        to_version=target.version if target else None,
        candidate_id=target.candidate_id if target else None,
        verdict_sha256=verdict_sha256,
        actor=actor,
        note=note,
    )
    started = append(store, entry, last_row)
    if error := _set_alias(store, voice, entry.to_version):
        recover_under_lock(store, voice, actor)
        raise ReleaseRefused(f"{voice}: MLflow did not move the alias ({error}); the champion is as before")
    _end(store, started, "done", actor, note)
    after = f"{_name(entry.from_version)} was champion before"
    told = f"{_name(entry.to_version)} is champion now; {after}" if target else f"out of service; {after}"
    return AliasMove(voice, True, entry.from_version, entry.to_version, "; ".join((*recovered, told)))


def recover_under_lock(store: Store, voice: str, actor: str) -> tuple[str, ...]:
    """Finish or undo a half-done release, then put the alias where the journal says. Returns what was done, in words.

    A started release whose alias has moved is finished, and so is a revocation; any other is undone, for what allowed
    it may no longer hold.
    An alias that somebody moved past the journal is put back, and the journal says so. Call it under the lock.
    """
    told = []
    journal = read_journal(store).trusted()
    before = release_state(journal.of(voice))
    if before.unfinished is not None:
        row = before.unfinished
        if row.action == "revoke":  # whatever else went wrong, a voice without consent does not stay in service
            _set_alias(store, voice, None)
        if champion_alias(store, voice) == row.to_version:
            _end(store, row, "done", actor, "finished by recovery")
            told.append(f"finished the {row.action} to {_name(row.to_version)} of row {row.number}")
        else:
            _end(store, row, "undone", actor, "undone by recovery: the alias was not there")
            told.append(f"undid the {row.action} to {_name(row.to_version)} of row {row.number}")
        journal = read_journal(store).trusted()
        before = release_state(journal.of(voice))
    alias, champion = champion_alias(store, voice), before.champion
    if alias != (champion.version if champion else None):
        if champion is not None and not version_exists(store, voice, champion.version):
            told.append(f"version {champion.version}, the champion, is gone from MLflow; roll back to a former one")
        else:
            told.append(_restore(store, voice, last_row(journal, voice), champion, alias, actor))
    return tuple(told)


def version_exists(store: Store, voice: str, version: int) -> bool:
    """Whether MLflow still has a version."""
    client = mlflow_client(store)
    from mlflow.exceptions import MlflowException

    try:
        client.get_model_version(voice, str(version))
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return False
    return True


def last_row(journal: Journal, voice: str) -> int:
    """Number of the voice's newest row; 0 for none."""
    rows = journal.of(voice)
    return rows[-1].number if rows else 0


def _restore(store: Store, voice: str, last_seen: int, champion: Release | None, alias: int | None, actor: str) -> str:
    target = champion.version if champion else None
    note = f"the alias was at {_name(alias)}, moved by hand or lost with a deleted version"
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
    started = append(store, entry, last_seen)
    if error := _set_alias(store, voice, target):
        _end(store, started, "undone", actor, f"MLflow: {error}")
        return f"could not put the alias back to {_name(target)}: {error}"
    _end(store, started, "done", actor, note)
    return f"put the alias back to {_name(target)}; {note}"


def _set_alias(store: Store, voice: str, version: int | None) -> str | None:
    """Move or remove the alias and read it back; None if it is where it should be, else what MLflow says."""
    client = mlflow_client(store)
    from mlflow.exceptions import MlflowException

    try:
        if version is None:
            if champion_alias(store, voice) is not None:
                client.delete_registered_model_alias(voice, CHAMPION)
        else:
            client.set_registered_model_alias(voice, CHAMPION, str(version))
    except MlflowException as error:
        return str(error)
    seen = champion_alias(store, voice)
    return None if seen == version else f"the alias reads {_name(seen)} after it was set to {_name(version)}"


def _end(store: Store, started: Row, state: str, actor: str, note: str) -> Row:
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
    return append(store, entry, started.number)


def _name(version: int | None) -> str:
    return "nothing" if version is None else f"version {version}"

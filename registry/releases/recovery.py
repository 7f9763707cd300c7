"""Recovery: what a killed release left half done is finished or undone, and the alias is put where the journal says.

It changes nothing that it does not understand. Where journal and MLflow do not belong together, or the journal is empty
beside an alias, it refuses.
"""

from __future__ import annotations

from dataclasses import dataclass

from registry.candidates.candidate import find_candidate, voice_folder_of
from registry.candidates.fingerprint import CandidateError
from registry.releases.alias import (
    NamedVersion,
    ReleaseRefused,
    append_end,
    champion_alias,
    is_at,
    place_alias,
    released_version,
    version_name,
)
from registry.releases.journal import Journal, append, read_journal, write_checkpoint_if_due
from registry.releases.state import Entry, Row
from registry.storage.model_registry import model_tags, set_model_tag
from registry.storage.record import JournalError
from registry.storage.records import require_published
from registry.storage.store import Store

DATABASE_TAG = "voxfoundry_database_id"  # of the registered model: the journal that decides about it


@dataclass(frozen=True)
class Recovery:
    """What was recovered.

    Attributes:
        journal: Of the voice, whole, after the recovery.
        notes: What was done, in words. Empty if there was nothing to recover.
        finished: The `started` row of a release that the recovery finished, None where there was none.
        alias_is_right: Whether the alias names the champion now, or nothing where the voice has none.
    """

    journal: Journal
    notes: tuple[str, ...]
    finished: Row | None
    alias_is_right: bool = True

    def require_service(self, version: int) -> None:
        """Refuse to call a version the champion already where the alias does not name it.

        Raises:
            ReleaseRefused: The alias could not be put back, or the champion's files are gone or damaged.
        """
        if not self.alias_is_right:
            raise ReleaseRefused(f"so version {version} is the champion in the journal, and it is not in service")


def recover_under_lock(store: Store, voice: str, actor: str) -> Recovery:
    """Finish or undo a half-done release, then put the alias where the journal says. Call it under the release lock.

    A half-done release whose alias has moved is finished, and so is a revocation. Any other is undone, because what
    allowed it may no longer be true. An alias that somebody moved without the journal is put back, and the journal says
    so.

    Args:
        store: Where MLflow and the journal are.
        voice: The voice's name.
        actor: Who releases.

    Raises:
        JournalError: The journal is broken, or does not belong to MLflow's registered model.
    """
    # 1. Refuse a journal that is broken, foreign, or empty beside an alias
    journal = read_journal(store, voice).require_whole()
    require_published(store, voice)
    alias = champion_alias(store, voice)
    check_binding(store, voice, journal, alias)
    notes, finished = [], None
    # 2. Give a `started` row without an end the end that fits where the alias is
    if (started := journal.state.unfinished) is not None:
        notes.append(_end_unfinished(store, voice, started, alias, actor))
        journal = read_journal(store, voice).require_whole()
        alias = champion_alias(store, voice)
        finished = started if notes[0].startswith("finished") else None
    # 3. Compare MLflow's alias with the journal, and put it back where they differ
    note, alias_is_right = _restore_alias(store, voice, journal, alias, actor)
    if note is not None:
        notes.append(note)
        journal = read_journal(store, voice).require_whole()
    # 4. Bind MLflow's model to this journal, and keep the journal quick to read
    _bind(store, voice, journal)
    write_checkpoint_if_due(store, voice, journal)
    return Recovery(journal, tuple(notes), finished, alias_is_right)


def check_binding(store: Store, voice: str, journal: Journal, alias: NamedVersion | None) -> None:
    """Refuse a journal that is not the one which decides about MLflow's registered model.

    Args:
        store: Where MLflow is.
        voice: The voice's name.
        journal: The voice's journal.
        alias: What MLflow's alias names.

    Raises:
        JournalError: It belongs to another database, or is empty beside an alias.
    """
    here, bound = journal.records.database_id, (model_tags(store, voice) or {}).get(DATABASE_TAG)
    if bound is not None and bound != here:
        found = f"is another one ({here})" if here else "holds no journal"
        raise JournalError(
            f"the releases of {voice} are in the journal of the database {bound[:64]}, and this database {found}; "
            "nothing was changed; correct VOXFOUNDRY_DATABASE_URI or restore the database"
        )
    if alias is not None and journal.state.last_row == 0:
        raise JournalError(
            f"MLflow's alias champion of {voice} is at version {alias.version}, and the journal has no release of "
            f"{voice}; nothing was changed; restore the journal's database, or remove the alias in MLflow if it was "
            "set by hand"
        )


def _bind(store: Store, voice: str, journal: Journal) -> None:
    """Note in MLflow's registered model which journal decides about it, once there is a release."""
    tags = model_tags(store, voice)
    if tags is not None and DATABASE_TAG not in tags and journal.records.database_id and journal.state.last_row:
        set_model_tag(store, voice, DATABASE_TAG, journal.records.database_id)


def _end_unfinished(store: Store, voice: str, started: Row, alias: NamedVersion | None, actor: str) -> str:
    what = f"the {started.action} to {version_name(started.to_version)} of row {started.number}"
    if started.action == "revoke":  # whatever else went wrong, a voice without consent must not stay in service
        if error := place_alias(store, voice, None):
            raise JournalError(f"{voice} is revoked and its alias champion cannot be removed ({error}); try again")
        append_end(store, voice, started, "done", actor, "finished by recovery")
        return f"finished the revocation of row {started.number}"
    if is_at(alias, started.candidate_id):
        append_end(store, voice, started, "done", actor, "finished by recovery")
        return f"finished {what}"
    append_end(store, voice, started, "undone", actor, "undone by recovery: the alias was not there")
    return f"undid {what}"


def _restore_alias(
    store: Store, voice: str, journal: Journal, alias: NamedVersion | None, actor: str
) -> tuple[str | None, bool]:
    """Let the alias name the champion, or nothing where the champion is gone, between two journal rows.

    Returns:
        (note, is_right). The note says what was done, None where nothing was to do. The alias is right where it names
        the champion, or nothing where the voice has none.
    """
    # 1. Find the version that is the champion, with every byte as registered
    champion, target, gone = journal.state.champion, None, ""
    if champion is not None:
        target = released_version(store, voice, champion)
        if target is not None and is_at(alias, champion.candidate_id) and alias.version == target:
            return None, True
        gone = f"version {champion.version}, the champion, is gone from MLflow; roll back to a former one"
        if target is not None:
            try:
                voice_folder_of(store, find_candidate(store, voice, target))
            except CandidateError as error:
                target, gone = None, f"{error}; roll back to a former one"
    if target is None and alias is None:
        return gone or None, not gone
    # 2. Move the alias there
    note = f"the alias was at {version_name(alias.version if alias else None)}, moved by hand or lost with a version"
    entry = Entry(
        action="restore",
        state="started",
        from_version=alias.version if alias else None,
        from_candidate_id=alias.candidate_id if alias else None,
        to_version=target,
        candidate_id=champion.candidate_id if champion and target is not None else None,
        verdict_sha256=None,
        consent_sha256=None,
        actor=actor,
        note=note,
    )
    started = append(store, voice, entry, last_seen=journal.state.last_row)
    if error := place_alias(store, voice, target):
        append_end(store, voice, started, "undone", actor, f"MLflow: {error}")
        return f"could not put the alias back to {version_name(target)}: {error}", False
    append_end(store, voice, started, "done", actor, note)
    why_not = gone if target is None else ""
    return "; ".join(filter(None, (f"put the alias back to {version_name(target)}", note, why_not))), not why_not

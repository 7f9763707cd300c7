"""The signed rows of a voice's journal that say what was registered, by whom and when: MLflow's tags prove nothing.

Anybody who can write to MLflow can make a version with any tags and files. It counts only if somebody with a trusted
key registered exactly these files, scores and lineage.
"""

from __future__ import annotations

from collections.abc import Mapping

from registry.storage.record import Kind, Record
from registry.storage.records import append_record, find_signed, list_signed
from registry.storage.store import Store

REGISTRATION: Kind = "registration"
RESCORE: Kind = "rescore"


def record_registration(store: Store, voice: str, tags: Mapping[str, str]) -> None:
    """Sign what a new version is: every tag that it gets, its hashes and its lineage among them.

    Raises:
        JournalError: The voice's journal is broken.
        SigningError: There is no trusted key to sign with.
    """
    append_record(store, voice, REGISTRATION, dict(tags))


def is_registered(store: Store, voice: str, tags: Mapping[str, str]) -> bool:
    """Return whether somebody registered a version with this candidate id and these files.

    Args:
        store: Where the journal is.
        voice: The voice's name.
        tags: Of the version, as MLflow has them.
    """
    return _find_registration(store, voice, tags) is not None


def _find_registration(store: Store, voice: str, tags: Mapping[str, str]) -> Record | None:
    return find_signed(
        store, voice, REGISTRATION, **{name: tags.get(name) for name in ("candidate_id", "model_sha256")}
    )


def why_not_registered(store: Store, voice: str, tags: Mapping[str, str]) -> str | None:
    """Return why the tags of a version are not those of a signed registration, None where they are.

    Args:
        store: Where the journal is.
        voice: The voice's name.
        tags: Of the version, as MLflow has them.
    """
    record = _find_registration(store, voice, tags)
    if record is None:
        return "the journal has no signed registration of these files"
    changed = sorted(name for name, value in record.values.items() if tags.get(name) != value)
    return f"its tags changed ({', '.join(changed[:5])})" if changed else None


def record_rescore(store: Store, voice: str, *, candidate_id: str, run_id: str, scores_sha256: str) -> None:
    """Sign later scores of a version.

    Args:
        store: Where the journal is.
        voice: The voice's name.
        candidate_id: The candidate that was scored again.
        run_id: The MLflow run that keeps the scores.
        scores_sha256: Of the scorecard's bytes.

    Raises:
        JournalError: The voice's journal is broken.
        SigningError: There is no trusted key to sign with.
    """
    content = {"candidate_id": candidate_id, "run_id": run_id, "scores_sha256": scores_sha256}
    append_record(store, voice, RESCORE, content)


def list_rescores(store: Store, voice: str, candidate_id: str) -> list[tuple[str, str]]:
    """Return the later scores of a candidate that somebody with a trusted key kept, newest first.

    The order is that of the journal. The times that MLflow shows come from the clocks of different machines.

    Args:
        store: Where the journal is.
        voice: The voice's name.
        candidate_id: The candidate that was scored again.

    Returns:
        (run_id, scores_sha256) of each: the MLflow run that keeps the scores, and the hash of the scorecard's bytes.
    """
    records = list_signed(store, voice, RESCORE, candidate_id=candidate_id)
    return [(str(record.values.get("run_id")), str(record.values.get("scores_sha256"))) for record in records]

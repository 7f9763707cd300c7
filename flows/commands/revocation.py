"""`vox voice revoke`: a voice out of service for ever, and its data deleted as the policy says."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path

from flows.console import print_line
from flows.erasure import erase
from flows.paths import recordings_dir
from registry.actor import current_actor
from registry.consent.file import load_voice
from registry.consent.record import ConsentError, consent_sha256, require_voice_name
from registry.consent.revocations import Revocation, read_revocations, write_revocation
from registry.consent.words import Deletion
from registry.releases.promotion import revoke
from registry.storage.records import append_record, read_records
from registry.storage.store import Store, open_store
from stages.params import load_params

NOT_REACHED = (
    "copies in a DVC remote, in git's history, in backups and in former versions that a bucket keeps, exported voices, "
    "and speech that clients have or that was written elsewhere (`vox say --output`, `vox campaign run --output`); "
    "delete them by hand",
    "what other machines keep: project folders, DVC's caches, .vox/cache, and a database and storage of their own; "
    "give this command there too",
    "speech in a Redis server, where VOXFOUNDRY_REDIS_URI names one; it is not served any more and ends after "
    "serve.cache.keep_days, or at once where you delete the keys voxfoundry:*",
)


def revoke_voice(name: str, *, delete: Deletion | None = None) -> int:
    """Withdraw a voice's consent, take its champion out of service, and delete what the policy says.

    The same call finishes what an interrupted one began.

    Args:
        name: The voice's name.
        delete: What is deleted, None for what `consent.delete_on_revocation` says.

    Raises:
        ConsentError: A file could not be written. The voice is out of service all the same.
    """
    # 1. Check the name first, and whether there is such a voice
    folder, store = recordings_dir(require_voice_name(name)), open_store()
    today, faults, earlier = datetime.now(UTC).date(), [], ()
    try:
        earlier = read_revocations(store.root, name)
    except ConsentError as error:
        faults.append(error)
    if not folder.exists() and not earlier and not read_records(store, name).rows:
        raise ValueError(f"there is no voice {name}: neither {folder} nor a row of its journal; see data/1_recordings")
    # 2. Write the revocation beside the recordings, where it also holds if voice.yaml is restored from a copy
    revocation = _revocation_of(folder, today)
    if not faults and (folder.exists() or not earlier):
        try:
            write_revocation(store.root, name, revocation)
        except ConsentError as error:
            faults.append(error)
    # 3. Journal, alias and voice.yaml
    try:
        move = revoke(store, name, recordings_dir=folder, today=today)
        print_line(f"{name}: the consent is revoked; {move.note}")
    except ConsentError as error:
        if folder.exists():  # else everything was deleted before, voice.yaml too
            faults.append(error)
    # 4. Delete what the policy says
    what = delete or load_params().consent.delete_on_revocation
    if what == "none":
        print_line(f"Nothing was deleted; `vox voice revoke {name} --delete derived` or `--delete all` does that.")
    else:
        _erase(store, revocation if folder.exists() or not earlier else earlier[-1], voice=name, what=what)
    if faults:
        raise faults[0]
    return 0


def _revocation_of(folder: Path, today: date) -> Revocation:
    """Return the revocation of the consent that a voice's folder holds, as far as it can be read."""
    try:
        voice = load_voice(folder)
    except ConsentError:
        return Revocation(revoked_on=today, consent_sha256=None, evidence_sha256=None, deleted="none")
    return Revocation(
        revoked_on=voice.consent.revoked_on or today,
        consent_sha256=consent_sha256(voice),
        evidence_sha256=voice.consent.evidence_sha256,
        deleted="none",
    )


def _erase(store: Store, revocation: Revocation, *, voice: str, what: Deletion) -> None:
    """Delete, between two records of the journal, and say what was deleted and what was not."""
    content = revocation.model_dump(mode="json") | {"deleted": what, "actor": current_actor()}
    append_record(store, voice, "erasure", content | {"state": "started"})
    erased = erase(store, voice, everything=what == "all")
    append_record(store, voice, "erasure", content | {"state": "done"} | asdict(erased))
    path = write_revocation(store.root, voice, revocation.model_copy(update={"deleted": what}))
    print_line(
        f"Deleted: {erased.n_files} files of the project, {erased.n_objects} objects of DVC's cache, the files of "
        f"{erased.n_models} runs and models in MLflow, {erased.n_spoken} results of jobs and campaigns. "
        f"Commit {path.relative_to(store.root)}, which refuses the voice."
    )
    if what == "derived":
        print_line(f"Not deleted: speech of jobs and campaigns; `vox voice revoke {voice} --delete all` does that")
    for left in NOT_REACHED:
        print_line(f"Not deleted: {left}")

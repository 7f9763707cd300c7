"""What a registry says before and after a kill, and what must be true of it."""

from __future__ import annotations

import shutil
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import soundfile
from release_helpers import recordings_of

from benchmarks.release_abuse.places import VOICE, Place, register
from flows.commands.revocation import revoke_voice
from flows.commands.voices import add_voice
from flows.consent_terms import ConsentTerms
from registry.candidates.candidate import find_candidate
from registry.candidates.fingerprint import CandidateError
from registry.consent.file import load_voice
from registry.consent.revocations import read_revocations
from registry.errors import RegistryError
from registry.releases.alias import ReleaseRefused
from registry.releases.audit import audit
from registry.releases.journal import read_journal
from registry.releases.promotion import rollback
from registry.releases.service import find_servable
from registry.storage.model_registry import find_versions, read_alias
from stages.params import load_params

OPERATIONS = ("register", "promote", "rollback", "revoke", "voice add")
PREPARED = 4  # the version that may be promoted; 3 is champion, 2 and 1 were before
ADDED = "bob"


@dataclass(frozen=True)
class Look:
    """What a registry says.

    Attributes:
        champion: Of the journal.
        alias: Of MLflow.
        is_half_done: Whether a release has begun and not ended, or a version has no registration.
        done: The releases that ended, as (action, version).
        speaks: The version that may speak, None where the voice is refused.
        is_revoked: Whether the journal, the project or voice.yaml hold a revocation.
        versions: How many there are, and how many of them count.
        problems: Of the audit.
        added: How much of the second voice is there: nothing, whole, listed, or what is wrong.
    """

    champion: int | None
    alias: int | None
    is_half_done: bool
    done: tuple[tuple[str, int | None], ...]
    speaks: int | None
    is_revoked: bool
    versions: tuple[int, int]
    problems: tuple[str, ...]
    added: str


def operate(place: Place, operation: str) -> None:
    """Give a command in a place. It runs in a fork."""
    place.enter()
    if operation == "register":
        register(place.store, PREPARED + 1)
    elif operation == "promote":
        place.desk.promote(PREPARED)
    elif operation == "rollback":
        place.desk.rollback()
    elif operation == "revoke":
        with redirect_stdout(None):
            revoke_voice(VOICE)
    else:
        source = _write_recordings(Path("recordings"))
        terms = ConsentTerms(evidence=source / "signed.pdf", speaker="Bob", purposes=("narration",))
        with redirect_stdout(None):
            add_voice(ADDED, source, language="en", terms=terms)


def look(place: Place) -> Look:
    """Return what a place says, without changing it. It runs in a fork."""
    place.enter()
    store, recordings = place.store, place.desk.recordings
    journal = read_journal(store, VOICE, whole=True).require_whole()
    found = find_versions(store, VOICE)
    speaks = None
    with suppress(RegistryError, CandidateError, ValueError):
        today = datetime.now(UTC).date()
        speaks = find_servable(store, VOICE, recordings_dir=recordings, today=today).version
    in_file = load_voice(recordings).consent.revoked_on is not None
    return Look(
        champion=journal.state.champion.version if journal.state.champion else None,
        alias=read_alias(store, VOICE, "champion"),
        is_half_done=journal.state.unfinished is not None or len(found) > _n_registered(place),
        done=tuple((row.action, row.to_version) for row in journal.rows if row.state == "done"),
        speaks=speaks,
        is_revoked=in_file or journal.state.revocation is not None or read_revocations(store.root, VOICE) != (),
        versions=(len(found), _n_registered(place)),
        problems=audit(store, VOICE, recordings_dir=recordings),
        added=_look_at_added(),
    )


def find_faults(operation: str, before: Look, after: Look) -> list[str]:
    """Return what is wrong after a kill, and after the command was given again."""
    start, goal = {"promote": (3, 4), "rollback": (3, 2), "revoke": (3, None)}.get(operation, (3, 3))
    faults = []
    if before.champion not in (start, goal):
        faults.append(f"after the kill the champion is {before.champion}")
    if before.speaks not in (before.champion, None) or (before.is_revoked and before.speaks is not None):
        faults.append(f"after the kill version {before.speaks} speaks, the champion is {before.champion}: {before}")
    if (after.champion, after.alias) != (goal, goal):
        faults.append(f"the champion is {after.champion} and the alias {after.alias} instead of {goal}")
    if after.is_half_done or after.problems or after.speaks != goal:
        faults.append(f"after the next command: {after}")
    releases = [("promote", version) for version in (1, 2, 3)]
    own = {"promote": [("promote", 4)], "rollback": [("rollback", 2)], "revoke": [("revoke", None)]}
    if list(after.done) != releases + own.get(operation, []):
        faults.append(f"the journal has {after.done}")
    n_versions = 5 if operation == "register" else 4
    if after.versions != (n_versions, n_versions):
        faults.append(f"{after.versions[0]} versions, of which {after.versions[1]} count")
    if operation == "revoke" and not after.is_revoked:
        faults.append("the revocation is nowhere")
    if before.added not in ("nothing", "whole", "listed"):
        faults.append(f"after the kill the added voice {before.added}")
    if after.added != ("listed" if operation == "voice add" else "nothing"):
        faults.append(f"the added voice is {after.added}")
    return faults


def _n_registered(place: Place) -> int:
    """Return how many versions count, that is, are as a signed registration says."""
    n = 0
    for row in find_versions(place.store, VOICE):
        with suppress(CandidateError):
            find_candidate(place.store, VOICE, row.version)
            n += 1
    return n


def _look_at_added() -> str:
    folder = Path("data/1_recordings") / ADDED
    listed = ADDED in load_params().voices
    if not folder.exists():
        return "is listed and not there" if listed else "nothing"
    if load_voice(folder).name != ADDED or sorted(path.name for path in folder.iterdir()) != WHOLE:
        return f"has {sorted(path.name for path in folder.iterdir())}"
    leftovers = [path.name for path in folder.parent.glob(".*")] if listed else []
    return f"left {leftovers}" if leftovers else "listed" if listed else "whole"


WHOLE = ["0.flac", "0.txt", "1.flac", "1.txt", "consent.pdf", "voice.yaml"]


def _write_recordings(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for number in range(2):
        soundfile.write(folder / f"{number}.flac", np.random.default_rng(number).uniform(-0.1, 0.1, 32_000), 32_000)
        (folder / f"{number}.txt").write_text("What is said.")
    (folder / "signed.pdf").write_bytes(b"a signed paper")
    return folder


def why_not_refused(place: Place) -> str | None:
    """Roll a revoked voice back with the voice.yaml from before. Return what went wrong, None if it was refused."""
    place.enter()
    recordings_of(place.store.root)
    try:
        rollback(place.store, VOICE, recordings_dir=place.desk.recordings, to=2)
    except ReleaseRefused:
        return None
    return "a revoked voice was rolled back to"

"""What the registry says about a voice at one moment: its champion, its consent, and whether it was revoked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import sqlalchemy as sa

from registry.consent.checks import check_consent
from registry.consent.file import load_voice
from registry.consent.record import VOICE_FILE, Consent, ConsentError
from registry.consent.revocations import FOLDER as REVOCATIONS
from registry.consent.revocations import why_revoked
from registry.keys.ed25519 import SigningError
from registry.keys.trust import TRUST_FILE
from registry.releases.journal import read_journal
from registry.releases.requirements import check_speaker
from registry.releases.state import Release, ReleaseState
from registry.storage.anchor import anchor_path
from registry.storage.database import DatabaseUnreachableError, missing_tables, open_snapshot
from registry.storage.record import JournalError
from registry.storage.record_tables import HEADS
from registry.storage.store import Store
from serving.errors import ServingError

RECORDINGS = Path("data/1_recordings")  # in a project, one folder for each voice, with its voice.yaml
FileStamp = tuple[int, int, int] | None  # time, size and inode, None where there is no file
# What the drivers raise while a registry is away. A journal that can be read and is broken is another thing
UNREACHABLE = (DatabaseUnreachableError, sa.exc.DBAPIError, OSError)


class RegistryAwayError(ServingError):
    """The registry cannot be read now. The message says why."""


@dataclass(frozen=True, kw_only=True)
class VoiceSnapshot:
    """What the registry says about a voice at one moment.

    Attributes:
        voice: Name of the voice.
        champion: The release in service, None if there is none.
        previous: The release that a rollback would go back to, None if there is none.
        past: Every release that was champion since the last revocation.
        consent: What the speaker allowed, None where the record cannot be read or does not count.
        reasons: Why the consent does not allow speech today. Empty if it does. For operators: they name paths.
        is_revoked: Whether the speaker revoked the consent.
        fault: Why nothing can be decided from the journal, None where it is whole.
        is_lasting: Whether two looks found the fault, so that it is not a write in progress.
    """

    voice: str
    champion: Release | None = None
    previous: Release | None = None
    past: tuple[Release, ...] = ()
    consent: Consent | None = None
    reasons: tuple[str, ...] = ()
    is_revoked: bool = False
    fault: str | None = None
    is_lasting: bool = False

    def find(self, version: int) -> Release | None:
        """Return the release of a version that was champion, if it was."""
        return next((release for release in reversed(self.past) if release.version == version), None)

    def find_candidate(self, candidate_id: str) -> Release | None:
        """Return the release of a candidate that was champion since the last revocation, if it was."""
        return next((release for release in self.past if release.candidate_id == candidate_id), None)

    def includes(self, candidate_id: str) -> bool:
        """Return whether a candidate was champion since the last revocation."""
        return self.find_candidate(candidate_id) is not None


def recordings_of(store: Store, voice: str) -> Path:
    """Return the folder with a voice's consent."""
    return store.root / RECORDINGS / voice


def read_heads(store: Store) -> dict[str, str]:
    """Return the hash of the newest row of each voice's journal.

    It is one query, so that following costs little while nothing changes.

    Raises:
        RegistryAwayError: The registry cannot be read, or its database is gone.
    """
    try:
        with open_snapshot(store) as connection:
            if connection is None:
                raise RegistryAwayError(f"the database {store.sqlite_file} is gone")
            if missing_tables(connection, HEADS):
                return {}
            return {row.voice: row.hash for row in connection.execute(sa.select(HEADS.c.voice, HEADS.c.hash))}
    except UNREACHABLE as error:
        raise RegistryAwayError(_one_line(error)) from error


def files_of(store: Store, voice: str, consent: Consent | None) -> dict[Path, FileStamp]:
    """Return the stamp of every file that a voice's snapshot depends on besides the database.

    Args:
        store: Whose voice it is.
        voice: Its name.
        consent: The newest consent that was read, for its proofs.
    """
    folder = recordings_of(store, voice)
    proofs = consent.proofs() if consent else ()
    paths = [folder / VOICE_FILE, *(folder / name for name in proofs), anchor_path(store.root, voice)]
    return _stamps([*paths, store.root / TRUST_FILE, *sorted((store.root / REVOCATIONS).glob("*.yaml"))])


def read_snapshot(store: Store, voice: str, today: date) -> VoiceSnapshot:
    """Read what the journal and the consent say about a voice.

    Args:
        store: Where the journal is.
        voice: Name of the voice.
        today: The day on which the consent must be valid.

    Raises:
        RegistryAwayError: The registry cannot be read.
    """
    try:
        state = read_journal(store, voice).require_whole().state
    except (JournalError, SigningError) as error:
        return VoiceSnapshot(voice=voice, fault=_one_line(error))
    except UNREACHABLE as error:
        raise RegistryAwayError(_one_line(error)) from error
    folder = recordings_of(store, voice)
    check = check_speaker(folder, voice, today, state)
    return VoiceSnapshot(
        voice=voice,
        champion=state.champion,
        previous=state.stack[-2] if len(state.stack) > 1 else None,
        past=state.past,
        consent=_consent(folder),
        reasons=check.reasons,
        is_revoked=_is_revoked(store, folder, state, today),
    )


def _consent(folder: Path) -> Consent | None:
    try:
        return load_voice(folder).consent
    except ConsentError:
        return None


def _is_revoked(store: Store, folder: Path, state: ReleaseState, today: date) -> bool:
    """Return whether the voice may not speak because of a revocation, and not for another reason."""
    if state.revocation is not None and state.champion is None:
        return True
    try:
        record = load_voice(folder)
        if record.consent.revoked_on is not None or why_revoked(store.root, record) is not None:
            return True
        check_consent(folder, today)
    except ConsentError:
        return False
    return False


def _stamps(paths: Iterable[Path]) -> dict[Path, FileStamp]:
    return {path: _stamp(path) for path in paths}


def _stamp(path: Path) -> FileStamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


Snapshots = Mapping[str, VoiceSnapshot]

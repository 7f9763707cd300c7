"""The folder of a registered voice, as `vox say` and `vox export` need it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flows.paths import recordings_dir
from registry.releases.alias import released_version
from registry.releases.journal import champion
from registry.releases.service import find_servable
from registry.storage.store import Store, open_store


@dataclass(frozen=True)
class ReleasedVoice:
    """A version of a voice and the folder of its files, every byte as registered."""

    version: int
    folder: Path


def find_voice(voice: str, version: int | None) -> ReleasedVoice:
    """Return a version of a voice, or its champion for None.

    Raises:
        ReleaseRefused: If the voice has no champion, or its speaker's consent is missing, over or revoked.
        CandidateError: If the version does not exist or its bytes have changed.
        JournalError: If the journal is broken.
    """
    today = datetime.now(UTC).date()
    found = find_servable(open_store(), voice, version=version, recordings_dir=recordings_dir(voice), today=today)
    return ReleasedVoice(found.version, found.folder)


def champion_version(store: Store, voice: str) -> int:
    """Return the version that is champion by the journal. Raises ValueError where there is none."""
    release = champion(store, voice)
    if release is None:
        raise ValueError(f"{voice} has no champion; promote one, or name a version with --version N")
    version = released_version(store, voice, release)
    if version is None:
        raise ValueError(f"version {release.version}, the champion of {voice}, is gone from MLflow; roll back first")
    return version

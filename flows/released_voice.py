"""The folder of a registered voice, as `vox say` and `vox export` need it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flows.paths import recordings_dir
from registry.candidates.candidate import find_candidate, voice_folder_of
from registry.consent.checks import check_consent
from registry.releases.journal import champion
from registry.storage.store import Store, open_store


@dataclass(frozen=True)
class ReleasedVoice:
    """A version of a voice and the folder of its files, every byte as registered."""

    version: int
    folder: Path


def find_voice(voice: str, version: int | None) -> ReleasedVoice:
    """Return a version of a voice, or its champion for None.

    Raises:
        ConsentError: If the speaker's consent is missing, over or revoked.
        ValueError: If the voice has no champion.
        CandidateError: If the version does not exist or its bytes have changed.
    """
    check_consent(recordings_dir(voice), datetime.now(UTC).date())
    store = open_store()
    if version is None:
        version = champion_version(store, voice)
    return ReleasedVoice(version, voice_folder_of(store, find_candidate(store, voice, version)))


def champion_version(store: Store, voice: str) -> int:
    """Return the version that is champion by the journal. Raises ValueError where there is none."""
    release = champion(store, voice)
    if release is None:
        raise ValueError(f"{voice} has no champion; promote one, or name a version with --version N")
    return release.version

"""The folder of a registered voice, as `vox say` and `vox export` need it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flows.paths import recordings_dir
from gpt_sovits.preset_names import DEFAULT_PRESET
from registry.releases.service import find_servable
from registry.storage.store import open_store


@dataclass(frozen=True)
class ReleasedVoice:
    """A version of a voice and the folder of its files, every byte as registered."""

    version: int
    folder: Path


def find_voice(
    voice: str,
    version: int | None,
    *,
    purpose: str | None = None,
    language: str | None = None,
    preset: str = DEFAULT_PRESET,
) -> ReleasedVoice:
    """Return a version of a voice that may speak today.

    Args:
        voice: The voice's name.
        version: Its number, None for the champion.
        purpose: What it is used for, None if nobody declared it.
        language: ISO 639 code of what it says, None for its own.
        preset: The preset that it speaks with.

    Raises:
        ReleaseRefused: If the voice has no champion, its verdict did not pass the preset, or its speaker's consent is
            missing, over, revoked, or does not cover the use.
        CandidateError: If the version does not exist or its bytes have changed.
        JournalError: If the journal is broken.
    """
    today = datetime.now(UTC).date()
    found = find_servable(
        open_store(),
        voice,
        version=version,
        recordings_dir=recordings_dir(voice),
        today=today,
        purpose=purpose,
        language=language,
        preset=preset,
    )
    return ReleasedVoice(found.version, found.folder)

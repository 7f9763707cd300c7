"""The one door to a voice that may speak: for `vox say`, `vox export` and whatever serves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from gpt_sovits.lanes import BATCH
from gpt_sovits.preset_names import DEFAULT_PRESET
from registry.candidates.candidate import Candidate, find_candidate, voice_folder_of
from registry.candidates.fingerprint import CandidateError
from registry.consent.record import require_voice_name
from registry.releases.alias import ReleaseRefused, champion_alias, released_version
from registry.releases.journal import read_journal
from registry.releases.lane_verdicts import why_lane_not_passed
from registry.releases.preset_verdicts import why_not_passed
from registry.releases.recovery import check_binding
from registry.releases.requirements import check_speaker
from registry.releases.state import Release
from registry.storage.records import require_published
from registry.storage.store import Store


@dataclass(frozen=True)
class Servable:
    """A version that may speak today, with every byte as registered.

    Attributes:
        candidate: The version as MLflow has it today.
        folder: The voice's folder.
        consent_sha256: Of the consent that it speaks under.
    """

    candidate: Candidate
    folder: Path
    consent_sha256: str | None

    @property
    def version(self) -> int:
        """Return the version's number in MLflow."""
        return self.candidate.version


def find_servable(
    store: Store,
    voice: str,
    *,
    version: int | None = None,
    recordings_dir: Path,
    today: date,
    purpose: str | None = None,
    language: str | None = None,
    preset: str = DEFAULT_PRESET,
    lane: str = BATCH,
) -> Servable:
    """Return the voice's champion, or another registered version of it, if it may speak today.

    What counts is the journal, the revocations in it, the speaker's consent, the candidate's id and the files. Where
    MLflow's alias stands does not count.

    Args:
        store: Where MLflow and the journal are.
        voice: The voice's name.
        version: Another version than the champion, such as a candidate to listen to.
        recordings_dir: The voice's recordings, with the consent.
        today: The day on which the consent must be valid.
        purpose: What the speech is for, None where it is not asked.
        language: ISO 639 code of what is said, None for the voice's own.
        preset: Name of the preset that it speaks with.
        lane: Name of the lane that it is served in.

    Raises:
        ValueError: The name cannot be a voice's.
        ReleaseRefused: It may not speak. The message gives every reason.
        CandidateError: There is no such version, or its bytes have changed.
        JournalError: The journal is broken, or does not belong to MLflow's registered model.
    """
    require_voice_name(voice)
    # 1. What the journal says, and whether it is the journal of this registered model
    journal = read_journal(store, voice).require_whole()
    require_published(store, voice)
    check_binding(store, voice, journal, champion_alias(store, voice) if version is None else None)
    # 2. Consent, with every revocation that the journal holds
    consent = check_speaker(recordings_dir, voice, today, journal.state, purpose=purpose, language=language)
    if consent.reasons:
        raise ReleaseRefused("; ".join(consent.reasons))
    # 3. The version, known by its candidate id
    candidate, release = _find_version(store, voice, version, champion=journal.state.champion)
    # 4. The preset and the lane, which a verdict about exactly this candidate must have passed
    reason = why_not_passed(store, candidate, release, preset) if preset != DEFAULT_PRESET else None
    if reason := reason or why_lane_not_passed(store, candidate, release, lane, preset=preset, language=language):
        raise ReleaseRefused(reason)
    # 5. Its files
    return Servable(candidate, voice_folder_of(store, candidate), consent.sha256)


def _find_version(
    store: Store, voice: str, version: int | None, *, champion: Release | None
) -> tuple[Candidate, Release | None]:
    """Return the version that speaks, with its release where it is the champion and no version was named."""
    if version is not None:
        return find_candidate(store, voice, version), None
    if champion is None:
        raise ReleaseRefused(f"{voice} has no champion; promote one, or name a version with --version N")
    version = released_version(store, voice, champion)
    if version is None:
        raise CandidateError(
            f"version {champion.version}, the champion of {voice}, is gone from MLflow; roll back to a former one"
        )
    candidate = find_candidate(store, voice, version)
    if candidate.candidate_id != champion.candidate_id:
        raise CandidateError(f"version {version} of {voice} in MLflow is not the candidate that the journal released")
    return candidate, champion

"""Whether a voice may speak with a preset: what was not judged, or did not pass, is not served."""

from __future__ import annotations

from gpt_sovits.preset_names import DEFAULT_PRESET
from registry.candidates.candidate import Candidate
from registry.releases.journal import RELEASE
from registry.releases.state import Release
from registry.storage.records import newest_record
from registry.storage.store import Store
from registry.verdicts.store import SignedVerdict, newest_verdict, verdict_by_sha256


def release_verdict(store: Store, voice: str, release: Release) -> SignedVerdict | None:
    """Return the verdict with which a champion was promoted, also after a rollback to it. None where it has none.

    Args:
        store: Where journal and verdicts are.
        voice: The voice's name.
        release: The champion's.

    Raises:
        VerdictError: The verdict is not what was signed.
        JournalError: The journal is broken.
    """
    # Only a release manager may sign a row that starts a release, while any trusted key may sign its end
    row = newest_record(store, voice, RELEASE, candidate_id=release.candidate_id, action="promote", state="started")
    signed = None if row is None else verdict_by_sha256(store, voice, row.values["verdict_sha256"])
    is_about_it = signed is not None and signed.verdict.candidate.candidate_id == release.candidate_id
    return signed if is_about_it else None


def verdict_about(store: Store, candidate: Candidate, release: Release | None) -> SignedVerdict | None:
    """Return the verdict that counts for a version. None where it has none.

    Args:
        store: Where journal and verdicts are.
        candidate: The version.
        release: Its release where it speaks as the champion, None for another version.

    Raises:
        VerdictError: The verdict is not what was signed.
        JournalError: The journal is broken.
    """
    if release is not None:
        return release_verdict(store, candidate.voice, release)
    return newest_verdict(store, candidate.voice, candidate_id=candidate.candidate_id)


def why_not_passed(store: Store, candidate: Candidate, release: Release | None, preset: str) -> str | None:
    """Return why a version may not speak with a preset, None where its verdict passed it.

    Args:
        store: Where journal and verdicts are.
        candidate: The version.
        release: Its release where it speaks as the champion, None for another version.
        preset: Name of a preset besides the default one.

    Raises:
        VerdictError: The verdict is not what was signed.
        JournalError: The journal is broken.
    """
    voice, who = candidate.voice, f"{candidate.voice} version {candidate.version}"
    signed = verdict_about(store, candidate, release)
    if signed is None:
        gate_it = f"run `vox gate {voice} --candidate {candidate.version}`"
        return f"{who} has no verdict, so it may not speak with the preset {preset}; {gate_it}"
    presets = {part.name: part.outcome for part in signed.verdict.decision.presets}
    if preset not in presets:
        known = ", ".join([DEFAULT_PRESET, *sorted(presets)])
        return (
            f"{who} was not scored with the preset {preset!r}, only with {known}, and what was not scored is not "
            "served; add it to presets in params.yaml and release a new version"
        )
    if presets[preset] != "pass":
        return f"the verdict on {who} with the preset {preset} is {presets[preset]}, so it is not served"
    return None

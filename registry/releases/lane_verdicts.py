"""Whether a voice may be served in a lane besides batch, such as real time: what was not judged or failed, may not."""

from __future__ import annotations

from gpt_sovits.lanes import BATCH, LANE_OPTIONS, lane_sha256
from gpt_sovits.preset_names import DEFAULT_PRESET
from registry.candidates.candidate import Candidate
from registry.gate.decision import LaneDecision
from registry.releases.preset_verdicts import verdict_about
from registry.releases.state import Release
from registry.storage.store import Store
from registry.verdicts.store import SignedVerdict


def passed_lanes(store: Store, candidate: Candidate, release: Release | None) -> tuple[str, ...]:
    """Return the lanes besides batch that a version may be served in, with its default preset and in its own language.

    Args:
        store: Where journal and verdicts are.
        candidate: The version.
        release: Its release where it speaks as the champion, None for another version.

    Raises:
        VerdictError: The verdict is not what was signed.
        JournalError: The journal is broken.
    """
    return lanes_of(verdict_about(store, candidate, release))


def lanes_of(signed: SignedVerdict | None) -> tuple[str, ...]:
    """Return the lanes besides batch that a verdict passed, as they are spoken today."""
    lanes = signed.verdict.decision.lanes if signed else ()
    return tuple(lane.name for lane in lanes if lane.outcome == "pass" and _is_spoken_as_judged(lane))


def why_lane_not_passed(
    store: Store,
    candidate: Candidate,
    release: Release | None,
    lane: str,
    *,
    preset: str = DEFAULT_PRESET,
    language: str | None = None,
) -> str | None:
    """Return why a version may not be served in a lane, None where its verdict passed it, and for batch.

    A lane was judged with the default preset in the voice's own language. What was not judged is not served.

    Args:
        store: Where journal and verdicts are.
        candidate: The version.
        release: Its release where it speaks as the champion, None for another version.
        lane: Name of the lane.
        preset: Name of the preset that it speaks with.
        language: ISO 639 code of what is said, None for the voice's own.

    Raises:
        VerdictError: The verdict is not what was signed.
        JournalError: The journal is broken.
    """
    if lane == BATCH:
        return None
    voice, who = candidate.voice, f"{candidate.voice} version {candidate.version}"
    if lane not in LANE_OPTIONS:
        return f"{lane!r} is not a lane; the lanes are {', '.join([BATCH, *LANE_OPTIONS])}"
    signed = verdict_about(store, candidate, release)
    if signed is None:
        gate_it = f"run `vox gate {voice} --candidate {candidate.version}`"
        return f"{who} has no verdict, so it is served in {BATCH} only; {gate_it}"
    decision = signed.verdict.decision
    judged = next((part for part in decision.lanes if part.name == lane), None)
    if judged is None:
        return (
            f"{who} was not scored in the lane {lane}, so it is served in {BATCH} only; add it to evaluate.lanes and "
            "gate.lanes in params.yaml and release a new version"
        )
    if judged.outcome != "pass":
        return f"the verdict on {who} in the lane {lane} is {judged.outcome}, so it is served in {BATCH} only"
    if not _is_spoken_as_judged(judged):
        return (
            f"{who} was judged in the lane {lane} with other options than Voxfoundry speaks it with today, so "
            f"it is served in {BATCH} only; release a new version with `vox run {voice}`"
        )
    if preset != DEFAULT_PRESET:
        return f"{who} was judged in the lane {lane} with the preset {DEFAULT_PRESET}, not {preset}; leave out one"
    if language not in (None, decision.language):
        return f"{who} was judged in the lane {lane} in {decision.language!r}, not in {language!r}; leave out one"
    return None


def _is_spoken_as_judged(judged: LaneDecision) -> bool:
    return judged.name in LANE_OPTIONS and judged.settings_sha256 == lane_sha256(judged.name)

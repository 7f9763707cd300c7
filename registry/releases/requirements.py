"""What has to be true before a version becomes champion, and every reason against it.

A promotion needs valid consent, a current signed `pass` about exactly these files, and the files as registered. A
rollback needs the same without the verdict. All reasons are collected, so that a refusal names everything at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from registry.candidates.candidate import Candidate, find_candidate, voice_folder_of
from registry.candidates.fingerprint import CandidateError
from registry.consent.checks import check_consent
from registry.consent.record import ConsentError
from registry.gate.policy import GatePolicy
from registry.releases.alias import ReleaseRefused, recover_under_lock
from registry.releases.journal import Release, ReleaseState, read_journal, release_state
from registry.storage.store import Store
from registry.verdicts.gating import votes_for, why_stale
from registry.verdicts.store import VerdictError, newest_verdict


@dataclass(frozen=True)
class PromotionRequest:
    """What somebody wants to be champion, and the rules that apply."""

    voice: str
    version: int | None  # None: the newest candidate
    policy: GatePolicy
    recordings_dir: Path  # with the voice's consent
    first_release: bool  # somebody wants a first release, without a champion to compare with
    actor: str
    today: date


@dataclass(frozen=True)
class PromotionPlan:
    """A promotion that may happen, and the release state that this was decided on."""

    candidate: Candidate
    folder: Path | None  # the voice's folder, None if the candidate is champion already
    verdict_sha256: str | None  # of the verdict that allows it
    state: ReleaseState
    last_row: int  # number of the voice's newest journal row
    recovery: tuple[str, ...]  # what was recovered first, in words


def plan_promotion(store: Store, request: PromotionRequest) -> PromotionPlan:
    """Recover what is half done, then check everything a promotion needs. Call it under the release lock.

    Raises:
        ReleaseRefused: With every reason against the promotion.
        JournalError: The journal is broken.
    """
    # 1. Recover a half-done release, and read what the journal says now
    voice = request.voice
    recovery = recover_under_lock(store, voice, request.actor)
    journal = read_journal(store).require_whole()
    state, last_row = release_state(journal.rows_of(voice)), journal.last_row_of(voice)
    # 2. Find the candidate; the champion needs no promotion
    try:
        candidate = find_candidate(store, voice, request.version)
    except CandidateError as error:
        raise ReleaseRefused(str(error)) from error
    if state.champion is not None and state.champion.version == candidate.version:
        return PromotionPlan(candidate, None, None, state, last_row, recovery)
    # 3. Collect every reason against it
    verdict_sha256, verdict_reasons = _check_verdict(store, candidate, state.champion, request)
    reasons = [
        *consent_reasons(request.recordings_dir, voice, request.today),
        *verdict_reasons,
        *file_reasons(store, candidate, candidate.candidate_id),
    ]
    if reasons:
        raise ReleaseRefused(f"{voice} version {candidate.version} is not promoted: " + "; ".join(reasons))
    return PromotionPlan(candidate, voice_folder_of(store, candidate), verdict_sha256, state, last_row, recovery)


def find_rollback_target(voice: str, state: ReleaseState, to: int | None) -> Release:
    """Return the release that a rollback goes back to.

    Args:
        voice: The voice's name.
        state: Its release state.
        to: A version that was champion once, None for the release before the current one.

    Raises:
        ReleaseRefused: There is no such release.
    """
    if to is not None:
        if to not in state.past:
            known = ", ".join(str(version) for version in sorted(state.past)) or "none"
            raise ReleaseRefused(f"version {to} of {voice} never was champion; those that were: {known}")
        return state.past[to]
    if state.champion is None:
        raise ReleaseRefused(f"{voice} has no champion to go back from; name a former one with --to")
    if len(state.stack) < 2:
        raise ReleaseRefused(
            f"version {state.champion.version} is the first release of {voice}, so there is none to go back to"
        )
    return state.stack[-2]


def consent_reasons(recordings_dir: Path, voice: str, today: date) -> list[str]:
    """Return why the consent of a voice's speaker does not allow a release today. Empty if it does.

    Args:
        recordings_dir: The voice's recordings, with voice.yaml.
        voice: Whose consent it must be.
        today: The day of the release.
    """
    try:
        record = check_consent(recordings_dir, today)
    except ConsentError as error:
        return [str(error)]
    if record.name != voice:
        return [f"{recordings_dir} holds the consent of {record.name!r}, not of {voice!r}; name the voice's own folder"]
    return []


def file_reasons(store: Store, candidate: Candidate, candidate_id: str) -> list[str]:
    """Return why the files of a version are not those that were registered. Empty if they are.

    Args:
        store: Where MLflow is.
        candidate: The version as MLflow has it.
        candidate_id: What the version must be.
    """
    if candidate.candidate_id != candidate_id:
        return [f"version {candidate.version} in MLflow is not the candidate that the journal knows"]
    try:
        voice_folder_of(store, candidate)
    except CandidateError as error:
        return [str(error)]
    return []


def _check_verdict(
    store: Store, candidate: Candidate, champion: Release | None, request: PromotionRequest
) -> tuple[str | None, list[str]]:
    """Return the sha256 of the verdict that allows the promotion, and every reason against it."""
    reasons = []
    if request.first_release and champion is not None:
        reasons.append(f"--first-release is given but version {champion.version} is champion; leave the flag out")
    try:
        signed = newest_verdict(store, candidate.voice, candidate_id=candidate.candidate_id)
    except VerdictError as error:
        return None, [*reasons, str(error)]
    gate_it = f"run `vox gate {candidate.voice}`"
    if signed is None:
        return None, [*reasons, f"it has no verdict; {gate_it}"]
    verdict = signed.verdict
    if verdict.outcome != "pass":
        reasons.append(f"its verdict is {verdict.outcome}: {verdict.decision.reasons[0].text}")
    votes = votes_for(store, request.policy, candidate_id=candidate.candidate_id, release=champion)
    if stale := why_stale(verdict, champion, policy=request.policy, votes=votes):
        reasons.append(f"its verdict is stale: {', '.join(stale)}; {gate_it} again")
    subject = verdict.candidate
    if (subject.version, subject.weights_sha256, subject.scores_sha256) != (
        candidate.version,
        candidate.weights_sha256,
        candidate.scores_sha256,
    ):
        reasons.append(f"its verdict is about version {subject.version} with other weights or scores; {gate_it} again")
    if verdict.decision.first_release and not request.first_release and champion is None:
        reasons.append("it would be the first release, which a person must ask for with --first-release")
    return signed.sha256, reasons

"""What has to be true before a version becomes champion, and every reason against it.

A promotion needs valid consent, a current signed `pass` about exactly these files, and the files as registered. A
rollback needs the same without the verdict. All reasons are collected, so that a refusal names everything at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from registry.candidates.candidate import Candidate, find_candidate, voice_folder_of
from registry.candidates.fingerprint import CandidateError
from registry.consent.checks import check_consent
from registry.consent.record import ConsentError, consent_sha256
from registry.gate.policy import GatePolicy
from registry.releases.alias import ReleaseRefused, begin_refusals_with, released_version
from registry.releases.approvals import why_not_approved
from registry.releases.recovery import Recovery, recover_under_lock
from registry.releases.state import Release, ReleaseState
from registry.releases.taken_back import why_taken_back
from registry.storage.model_registry import find_version
from registry.storage.store import Store
from registry.verdicts.gating import LockedPrompts, votes_for, why_stale
from registry.verdicts.store import VerdictError, newest_verdict
from registry.verdicts.verdict import Verdict


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
    approvals: int = 0  # release managers who must have approved it
    locked_prompts: LockedPrompts | None = None  # None: not known, so a verdict's prompts are not checked


@dataclass(frozen=True)
class PromotionPlan:
    """A promotion that may happen, and the release state that this was decided on."""

    candidate: Candidate
    folder: Path | None  # the voice's folder, None if the candidate is champion already
    verdict_sha256: str | None  # of the verdict that allows it
    consent_sha256: str | None  # of the consent that it rests on
    state: ReleaseState
    recovery: tuple[str, ...]  # what was recovered first, in words


@dataclass(frozen=True)
class ConsentCheck:
    """Whether a voice's consent allows a release or speech today.

    Attributes:
        sha256: Of the consent, None where there is none.
        reasons: Every reason against it. Empty where the consent allows it.
    """

    sha256: str | None
    reasons: tuple[str, ...]


def plan_promotion(store: Store, request: PromotionRequest) -> PromotionPlan:
    """Recover what is half done, then check everything a promotion needs. Call it under the release lock.

    Raises:
        ReleaseRefused: With every reason against the promotion.
        JournalError: The journal is broken.
    """
    # 1. Recover a half-done release, and read what the journal says now
    recovery = recover_under_lock(store, request.voice, request.actor)
    with begin_refusals_with(recovery.notes):
        return _plan_recovered(store, request, recovery)


def _plan_recovered(store: Store, request: PromotionRequest, recovery: Recovery) -> PromotionPlan:
    voice, state = request.voice, recovery.journal.state
    # 2. Find the candidate; the champion needs no promotion
    try:
        candidate = find_candidate(store, voice, request.version)
    except CandidateError as error:
        raise ReleaseRefused(str(error)) from error
    if state.champion is not None and state.champion.candidate_id == candidate.candidate_id:
        recovery.require_service(candidate.version)
        return PromotionPlan(candidate, None, None, None, state, recovery.notes)
    # 3. Collect every reason against it
    verdict_sha256, verdict_reasons = _check_verdict(store, candidate, state, request)
    consent = check_speaker(request.recordings_dir, voice, request.today, state)
    reasons = [*consent.reasons, *verdict_reasons, *file_reasons(store, candidate, candidate.candidate_id)]
    if reasons:
        raise ReleaseRefused(f"{voice} version {candidate.version} is not promoted: " + "; ".join(reasons))
    folder = voice_folder_of(store, candidate)
    return PromotionPlan(candidate, folder, verdict_sha256, consent.sha256, state, recovery.notes)


def find_rollback_target(store: Store, voice: str, state: ReleaseState, to: int | None) -> Release:
    """Return the release that a rollback goes back to, with the version that MLflow has today.

    Args:
        store: Where MLflow is.
        voice: The voice's name.
        state: Its release state.
        to: A version whose candidate was champion once, None for the release before the current one.

    Raises:
        ReleaseRefused: There is no such release.
    """
    if to is not None:
        row = find_version(store, voice, to)
        release = None if row is None else state.past_release(row.tags.get("candidate_id", ""))
        if release is None:
            known = ", ".join(str(each.version) for each in sorted(state.past, key=lambda each: each.version))
            since = f" since the consent was revoked on {state.revocation.day}" if state.revocation else ""
            never = f"version {to} of {voice} never was champion{since}; those that were: {known or 'none'}"
            raise ReleaseRefused(never if row is not None else f"{voice} has no version {to} (any more); {never}")
        return Release(to, release.candidate_id, release.row)
    if state.champion is None:
        if state.revocation is not None:
            raise ReleaseRefused(
                f"the consent of {voice} was revoked on {state.revocation.day}, so there is no release to go back to; "
                "with a new consent a version can be promoted"
            )
        raise ReleaseRefused(f"{voice} has no champion to go back from; name a former one with --to")
    if len(state.stack) < 2:
        raise ReleaseRefused(
            f"version {state.champion.version} is the first release of {voice}, so there is none to go back to"
        )
    release = state.stack[-2]
    version = released_version(store, voice, release)
    if version is None:
        raise ReleaseRefused(
            f"{voice} cannot go back to version {release.version}: {voice} has no version {release.version} (any "
            "more); name an earlier one with --to"
        )
    return Release(version, release.candidate_id, release.row)


def check_speaker(
    recordings_dir: Path,
    voice: str,
    today: date,
    state: ReleaseState,
    *,
    purpose: str | None = None,
    language: str | None = None,
) -> ConsentCheck:
    """Check that the speaker's consent allows a release or speech today, after every revocation in the journal.

    Args:
        recordings_dir: The voice's recordings, with voice.yaml.
        voice: Whose consent it must be.
        today: The day of the release.
        state: What the journal says about the voice.
        purpose: What the speech is for, None where it is not asked.
        language: ISO 639 code of what is said, None where it is the voice's own or not asked.
    """
    try:
        record = check_consent(recordings_dir, today, purpose=purpose, language=language)
    except ConsentError as error:
        return ConsentCheck(None, (str(error),))
    if record.name != voice:
        return ConsentCheck(
            None,
            (f"{recordings_dir} holds the consent of {record.name!r}, not of {voice!r}; name the voice's own folder",),
        )
    sha256, revocation = consent_sha256(record), state.revocation
    if revocation is None:
        return ConsentCheck(sha256, ())
    again = "ask the speaker for a new one and record it with `vox voice renew`"
    if sha256 in revocation.consents:
        reason = f"the consent in {recordings_dir} is one that was revoked on {revocation.day}; {again}"
        return ConsentCheck(sha256, (reason,))
    if record.consent.granted_on < date.fromisoformat(revocation.day):
        reason = (
            f"the consent in {recordings_dir} was granted on {record.consent.granted_on}, before the consent was "
            f"revoked on {revocation.day}; {again}"
        )
        return ConsentCheck(sha256, (reason,))
    return ConsentCheck(sha256, ())


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
    store: Store, candidate: Candidate, state: ReleaseState, request: PromotionRequest
) -> tuple[str | None, list[str]]:
    """Return the sha256 of the verdict that allows the promotion, and every reason against it."""
    reasons, champion = [], state.champion
    if request.first_release and champion is not None:
        reasons.append(f"--first-release is given but version {champion.version} is champion; leave the flag out")
    try:
        signed = newest_verdict(store, candidate.voice, candidate_id=candidate.candidate_id)
    except VerdictError as error:
        return None, [*reasons, str(error)]
    gate_it = f"run `vox gate {candidate.voice} --candidate {candidate.version}`"
    if signed is None:
        return None, [*reasons, f"it has no verdict; {gate_it}"]
    verdict = signed.verdict
    if verdict.outcome != "pass":
        reasons.append(f"its verdict is {verdict.outcome}: {verdict.decision.reasons[0].text}")
    votes = votes_for(store, request.policy, candidate_id=candidate.candidate_id, release=champion)
    prompts, unreadable = _read_prompts(request, verdict)
    reasons += unreadable
    if stale := why_stale(verdict, champion, policy=request.policy, votes=votes, prompts=prompts):
        reasons.append(f"its verdict is stale: {', '.join(stale)}; {gate_it} again")
    elif taken_back := why_taken_back(state, candidate, signed):
        reasons.append(taken_back)
    subject = verdict.candidate
    if (subject.weights_sha256, subject.scores_sha256) != (candidate.weights_sha256, candidate.scores_sha256):
        reasons.append(f"its verdict is about version {subject.version} with other weights or scores; {gate_it} again")
    if verdict.decision.first_release and not request.first_release and champion is None:
        reasons.append("it would be the first release, which a person must ask for with --first-release")
    if missing := why_not_approved(store, signed, request.approvals):
        reasons.append(missing)
    return signed.sha256, reasons


def _read_prompts(request: PromotionRequest, verdict: Verdict) -> tuple[Mapping[str, str], list[str]]:
    """Return the sha256 of the locked prompts of today by part, and why they cannot be read."""
    try:
        return (request.locked_prompts(verdict.decision) if request.locked_prompts else {}), []
    except ValueError as error:  # a prompt file is gone, or differs from its lock
        return {}, [str(error)]

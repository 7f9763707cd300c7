"""Judge a registered candidate against the current champion: load both scorecards, ask the gate, sign and store."""

from __future__ import annotations

from collections.abc import Collection

from registry.candidate import Candidate, find_candidate, scorecard_of
from registry.fingerprint import CandidateError
from registry.gate import judge, policy_sha256
from registry.journal import Release, champion
from registry.policy import GatePolicy
from registry.store import Store, mlflow_client
from registry.verdict import CannotMeasure, Subject, Verdict
from registry.verdict_store import SignedVerdict, newest_verdict, save_verdict

CHALLENGER = "challenger"


def judge_candidate(
    store: Store,
    voice: str,
    policy: GatePolicy,
    *,
    version: int | None = None,
    candidate_id: str | None = None,
    first_release: bool = False,
    prompt_ids: Collection[str] | None = None,
) -> SignedVerdict:
    """The signed verdict about a candidate (default: the newest) against the current champion.

    first_release: a person or a demo asked for a release without a champion.
    prompt_ids:    every prompt of the set, where known.
    Raises CannotMeasure, CandidateError, JournalError.
    """
    candidate = find_candidate(store, voice, version, candidate_id)
    release = champion(store, voice)
    reigning = _reigning(store, voice, release) if release else None
    if reigning is None or reigning.version != candidate.version:
        mlflow_client(store).set_registered_model_alias(voice, CHALLENGER, str(candidate.version))
    judgement = judge(
        scorecard_of(store, candidate),
        scorecard_of(store, reigning) if reigning else None,
        policy,
        first_release,
        prompt_ids,
    )
    verdict = Verdict(
        voice=voice,
        candidate=_subject(candidate),
        champion=_subject(reigning) if reigning else None,
        judgement=judgement,
    )
    return save_verdict(store, verdict)


def current_verdict(store: Store, voice: str, candidate_id: str, policy: GatePolicy) -> SignedVerdict | None:
    """The newest verdict about a candidate if it still holds. Without MLflow.

    It holds while the policy and the champion are the same, and after the candidate itself became champion by it.
    """
    signed = newest_verdict(store, voice, candidate_id)
    if signed is None:
        return None
    release = champion(store, voice)
    if release is not None and release.candidate_id == candidate_id:
        return signed if signed.verdict.judgement.policy_sha256 == policy_sha256(policy) else None
    return None if why_stale(signed.verdict, release, policy) else signed


def why_stale(verdict: Verdict, release: Release | None, policy: GatePolicy) -> list[str]:
    """What has changed since a verdict was given: the champion, the policy. Empty where it still holds."""
    reasons = []
    judged = verdict.champion
    if (judged and (judged.version, judged.candidate_id)) != (release and (release.version, release.candidate_id)):
        then = f"version {judged.version}" if judged else "no champion"
        now = f"version {release.version}" if release else "none"
        reasons.append(f"it was given against {then} and the champion is now {now}")
    if verdict.judgement.policy_sha256 != policy_sha256(policy):
        reasons.append("it was given under another gate policy than the one in params.yaml")
    return reasons


def _reigning(store: Store, voice: str, release: Release) -> Candidate:
    try:
        found = find_candidate(store, voice, release.version)
    except CandidateError as error:
        raise CannotMeasure(
            f"the champion of {voice}, version {release.version}, is gone: {error}; roll back first"
        ) from error
    if found.candidate_id != release.candidate_id:
        raise CannotMeasure(
            f"version {release.version} of {voice} in MLflow is not the one that was promoted "
            f"({found.candidate_id[:12]}... instead of {release.candidate_id[:12]}...); run `vox audit {voice}`"
        )
    return found


def _subject(candidate: Candidate) -> Subject:
    return Subject(
        version=candidate.version,
        candidate_id=candidate.candidate_id,
        weights_sha256=candidate.weights_sha256,
        scores_sha256=candidate.scores_sha256,
    )

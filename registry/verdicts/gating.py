"""Judge a registered candidate against the current champion: load both scorecards, ask the gate, sign and store."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass

from metrics.scores import Scorecard
from registry.candidates.candidate import Candidate, find_candidate, scorecard_of
from registry.candidates.fingerprint import CandidateError
from registry.candidates.rescoring import find_comparable_scorecard
from registry.gate import judge
from registry.gate.policy import GatePolicy, policy_sha256
from registry.gate.preference import PreferenceVotes
from registry.listening.votes import preference_votes
from registry.releases.journal import Release, champion
from registry.storage.database import sha256_text
from registry.storage.store import Store, mlflow_client
from registry.verdicts.store import SignedVerdict, newest_verdict, save_verdict
from registry.verdicts.verdict import CannotMeasure, Subject, Verdict

CHALLENGER = "challenger"
RESCORE = "score the champion again with `vox rescore {voice}`"


@dataclass(frozen=True)
class ChampionScores:
    """The champion scored again, and which version that was: other scores than its own are refused."""

    candidate_id: str
    weights_sha256: str
    scorecard: Scorecard


def gate_candidate(
    store: Store,
    voice: str,
    policy: GatePolicy,
    *,
    version: int | None = None,
    candidate_id: str | None = None,
    first_release: bool = False,
    prompt_ids: Collection[str] | None = None,
    champion_scores: ChampionScores | None = None,
) -> SignedVerdict:
    """The signed verdict about a candidate (default: the newest) against the current champion.

    Where the policy asks for listeners' votes, those on exactly these two are taken from the store.

    first_release:   a person or a demo asked for a release without a champion.
    prompt_ids:      every prompt of the set, where known.
    champion_scores: the champion scored again. Without it, its own scores count, and where those are lost or of other
                     judges or prompts, what `vox rescore` kept. Nothing is assumed about a champion without either.
    Raises CannotMeasure, CandidateError, JournalError, ListeningError.
    """
    candidate = find_candidate(store, voice, version, candidate_id)
    scorecard = scorecard_of(store, candidate)
    release = champion(store, voice)
    reigning = _reigning(store, voice, release) if release else None
    if reigning is None or reigning.version != candidate.version:
        mlflow_client(store).set_registered_model_alias(voice, CHALLENGER, str(candidate.version))
    theirs, scores_sha256 = None, ""
    if reigning is not None:
        theirs, scores_sha256 = _scores_of_champion(store, reigning, champion_scores, scorecard)
    elif champion_scores is not None:
        raise CannotMeasure(f"scores of a champion of {voice} were given, and it has none; leave them out")
    votes = votes_for(store, policy, candidate.candidate_id, release)
    decision = judge(scorecard, theirs, policy, first_release, prompt_ids, votes)
    verdict = Verdict(
        voice=voice,
        candidate=_subject(candidate, candidate.scores_sha256),
        champion=_subject(reigning, scores_sha256) if reigning else None,
        decision=decision,
    )
    return save_verdict(store, verdict)


def current_verdict(store: Store, voice: str, candidate_id: str, policy: GatePolicy) -> SignedVerdict | None:
    """The newest verdict about a candidate if it still holds. Without MLflow.

    It holds while the policy, the champion and, where the policy asks for them, the listeners' votes are the same, and
    after the candidate itself became champion by it.
    """
    signed = newest_verdict(store, voice, candidate_id)
    if signed is None:
        return None
    release = champion(store, voice)
    if release is not None and release.candidate_id == candidate_id:
        return signed if signed.verdict.decision.policy_sha256 == policy_sha256(policy) else None
    votes = votes_for(store, policy, candidate_id, release)
    return None if why_stale(signed.verdict, release, policy, votes) else signed


def votes_for(store: Store, policy: GatePolicy, candidate_id: str, release: Release | None) -> PreferenceVotes | None:
    """The votes on a candidate against the champion; None where the policy asks for none. Raises ListeningError."""
    if policy.preference is None or release is None:
        return None
    return preference_votes(store, candidate_id, release.candidate_id)


def why_stale(
    verdict: Verdict, release: Release | None, policy: GatePolicy, votes: PreferenceVotes | None
) -> list[str]:
    """What has changed since a verdict was given: champion, policy, votes. Empty where it still holds."""
    reasons = []
    judged = verdict.champion
    if (judged and (judged.version, judged.candidate_id)) != (release and (release.version, release.candidate_id)):
        then = f"version {judged.version}" if judged else "no champion"
        now = f"version {release.version}" if release else "none"
        reasons.append(f"it was given against {then} and the champion is now {now}")
    if verdict.decision.policy_sha256 != policy_sha256(policy):
        reasons.append("it was given under another gate policy than the one in params.yaml")
    elif votes is not None and _has_other_votes(verdict, votes):
        reasons.append("listeners have voted since it was given")
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


def _scores_of_champion(
    store: Store, reigning: Candidate, fresh: ChampionScores | None, candidate: Scorecard
) -> tuple[Scorecard, str]:
    """The champion's scores to compare with, and their sha256: those given, else its own, else the newest later ones.

    Raises CannotMeasure that says how to get them.
    """
    who = f"the champion of {reigning.voice}, version {reigning.version},"
    if fresh is not None:
        for name in ("candidate_id", "weights_sha256"):
            given, right = getattr(fresh, name), getattr(reigning, name)
            if given != right:
                raise CannotMeasure(
                    f"the scores given for {who} are of another voice ({name} {given[:12]}... instead of "
                    f"{right[:12]}...); {RESCORE.format(voice=reigning.voice)}"
                )
        return fresh.scorecard, sha256_text(fresh.scorecard.model_dump_json())
    again = RESCORE.format(voice=reigning.voice)
    try:
        own, why = scorecard_of(store, reigning), ""
    except (CandidateError, ValueError) as error:  # lost, changed, or of an older kind
        own, why = None, f"has no scores that can be used: {error}; or {again}"
    else:
        for name in ("judges", "prompts_sha256", "seeds"):
            ours, theirs = getattr(candidate, name), getattr(own, name)
            if ours != theirs:
                why = f"was scored under other {name} than the candidate: {_short(theirs)} and {_short(ours)}; {again}"
    if not why:
        return own, reigning.scores_sha256
    later = find_comparable_scorecard(store, reigning, like=candidate)
    if later is None:
        raise CannotMeasure(f"{who} {why}")
    return later, sha256_text(later.model_dump_json())


def _has_other_votes(verdict: Verdict, votes: PreferenceVotes) -> bool:
    seen = verdict.decision.preference
    return seen is None or any(getattr(seen, name) != count for name, count in asdict(votes).items())


def _short(value: object) -> str:
    return str(value) if len(str(value)) <= 200 else f"{str(value)[:200]}..."


def _subject(candidate: Candidate, scores_sha256: str) -> Subject:
    return Subject(
        version=candidate.version,
        candidate_id=candidate.candidate_id,
        weights_sha256=candidate.weights_sha256,
        scores_sha256=scores_sha256,
    )

"""Take a registered candidate through the gate: load both scorecards, decide, sign and store the verdict."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass

from gpt_sovits.synthesis.preset_files import DEFAULT_FILE, list_presets
from metrics.prompts import PromptSet
from metrics.recounting import find_miscounts, find_other_texts
from metrics.scores import Scorecard
from registry.candidates.candidate import (
    Candidate,
    find_candidate,
    score_folder_of,
    scorecard_of,
    voice_folder_of,
)
from registry.candidates.fingerprint import CandidateError, check_presets
from registry.candidates.rescoring import find_comparable_scorecard
from registry.gate.deciding import decide
from registry.gate.decision import Decision
from registry.gate.errors import CannotMeasure
from registry.gate.faults import differences
from registry.gate.part_kinds import LANE, LANGUAGE, PART_KINDS
from registry.gate.policy import GatePolicy, policy_sha256
from registry.gate.preference import PreferenceVotes
from registry.listening.votes import preference_votes
from registry.releases.alias import released_version
from registry.releases.journal import champion
from registry.releases.lane_verdicts import passed_lanes
from registry.releases.state import Release
from registry.storage.database import sha256_text
from registry.storage.model_registry import set_alias
from registry.storage.store import Store
from registry.verdicts.store import SignedVerdict, newest_verdict, save_verdict
from registry.verdicts.verdict import Subject, Verdict

CHALLENGER = "challenger"
MAX_CHARACTERS = 200  # of a value shown in an error
# Gives the sha256 of the locked prompts of today for each part of a decision: `language en`, `preset NAME`, `lane NAME`
LockedPrompts = Callable[[Decision], Mapping[str, str]]


@dataclass(frozen=True)
class ChampionScores:
    """New scores of the champion, and the version that they are of. Scores of any other version are refused."""

    candidate_id: str
    weights_sha256: str
    scorecard: Scorecard


def gate_candidate(
    store: Store,
    voice: str,
    *,
    policy: GatePolicy,
    version: int | None = None,
    candidate_id: str | None = None,
    first_release: bool = False,
    prompt_sets: Sequence[PromptSet] = (),
    part_prompts: Mapping[str, PromptSet] | None = None,
    champion_scores: ChampionScores | None = None,
) -> SignedVerdict:
    """Return the signed verdict about a candidate against the current champion.

    Where the policy asks for listeners' votes, the votes on exactly these two versions are taken from the store.

    Args:
        store: Where candidates, journal, votes and verdicts are.
        voice: Name of the voice.
        policy: What the candidate must show.
        version: Of the candidate, by default the newest.
        candidate_id: The candidate's id, as another way to name it.
        first_release: A person or a demo requested a release without a champion.
        prompt_sets: The locked prompts of each language, where known. Every one must have been said as it is locked.
        part_prompts: The locked prompts of each preset and lane by `preset NAME` or `lane NAME`, where known.
        champion_scores: New scores of the champion. By default its own, or those that `vox rescore` kept.

    Raises:
        CannotMeasure: Where scores are incomplete, missing or not comparable.
        CandidateError: Where there is no such candidate, or it was changed.
        JournalError: Where the journal was edited.
        ListeningError: Where votes were edited.
    """
    # 1. Find the candidate with its evidence, and the champion.
    candidate = find_candidate(store, voice, version=version, candidate_id=candidate_id)
    scorecard = _load_evidence(store, candidate, prompt_sets)
    release = champion(store, voice)
    current = _find_champion(store, voice, release=release) if release else None
    # 2. Mark the candidate in MLflow as the one that is being gated.
    if current is None or current.version != candidate.version:
        set_alias(store, voice, CHALLENGER, candidate.version)
    # 3. Find scores of the champion that compare with the candidate's.
    lanes = passed_lanes(store, current, release) if current else ()
    champion_scorecard, champion_sha256 = _load_champion_scores(
        store, current, lanes=lanes, given=champion_scores, other=scorecard, policy=policy, prompt_sets=prompt_sets
    )
    # 4. Decide.
    decision = decide(
        scorecard,
        champion_scorecard,
        policy=policy,
        first_release=first_release,
        prompt_ids=_prompt_ids(prompt_sets, part_prompts or {}),
        votes=votes_for(store, policy, candidate_id=candidate.candidate_id, release=release),
        lanes_in_service=lanes,
    )
    # 5. Sign and store the verdict.
    subject = _subject(candidate, candidate.scores_sha256)
    champion_subject = _subject(current, champion_sha256) if current else None
    return save_verdict(store, Verdict(voice=voice, candidate=subject, champion=champion_subject, decision=decision))


def _prompt_ids(prompt_sets: Sequence[PromptSet], part_prompts: Mapping[str, PromptSet]) -> dict[str, list[str]]:
    """Return the id of every prompt of a language, and of `preset NAME` or `lane NAME`."""
    sets = {prompts.language: prompts for prompts in prompt_sets} | dict(part_prompts)
    return {name: [prompt.id for prompt in prompts.prompts] for name, prompts in sets.items()}


def _load_evidence(store: Store, candidate: Candidate, prompt_sets: Sequence[PromptSet]) -> Scorecard:
    """Return a candidate's scores after a check of everything that they rest on.

    Raises:
        CandidateError: A file of the model, the scorecard or the audio is not as registered.
        CannotMeasure: The scores do not follow from the texts, or the texts are not the locked prompts.
    """
    voice_folder = voice_folder_of(store, candidate)
    score_folder_of(store, candidate)
    scorecard = scorecard_of(store, candidate)
    check_presets(scorecard, voice_folder)
    _check_scores(f"version {candidate.version}", scorecard, prompt_sets)
    return scorecard


def _check_scores(who: str, scorecard: Scorecard, prompt_sets: Sequence[PromptSet]) -> None:
    """Count the errors of a scorecard again, and hold its texts against the locked prompts.

    Raises:
        CannotMeasure: With everything that is wrong.
    """
    if faults := _faults(scorecard, prompt_sets):
        raise CannotMeasure(
            f"the scores of {who} of {scorecard.voice} cannot be believed: {'; '.join(faults)}; score the voice again "
            f"with `vox run {scorecard.voice}`"
        )


def _faults(scorecard: Scorecard, prompt_sets: Sequence[PromptSet]) -> list[str]:
    return [*find_miscounts(scorecard), *find_other_texts(scorecard, prompt_sets)]


def current_verdict(
    store: Store, voice: str, *, candidate_id: str, policy: GatePolicy, locked_prompts: LockedPrompts | None = None
) -> SignedVerdict | None:
    """Return the newest verdict about a candidate, or None where there is none or it is stale. Needs no MLflow.

    A verdict is current while the policy, the champion, the prompts and, where the policy asks for them, the listeners'
    votes are the same. It stays current after the candidate became champion because of it.

    Args:
        store: Where journal, votes and verdicts are.
        voice: Name of the voice.
        candidate_id: Which candidate.
        policy: The one of today.
        locked_prompts: Gives the locked prompts of today, None where they are not known.
    """
    signed = newest_verdict(store, voice, candidate_id=candidate_id)
    if signed is None:
        return None
    release = champion(store, voice)
    if release is not None and release.candidate_id == candidate_id:
        return signed if signed.verdict.decision.policy_sha256 == policy_sha256(policy) else None
    votes = votes_for(store, policy, candidate_id=candidate_id, release=release)
    prompts = locked_prompts(signed.verdict.decision) if locked_prompts else {}
    return None if why_stale(signed.verdict, release, policy=policy, votes=votes, prompts=prompts) else signed


def votes_for(
    store: Store, policy: GatePolicy, *, candidate_id: str, release: Release | None
) -> PreferenceVotes | None:
    """Return the votes on a candidate against the champion, or None where the policy asks for none.

    Args:
        store: Where votes are.
        policy: Says whether votes count.
        candidate_id: Which candidate.
        release: The champion's, or None.

    Raises:
        ListeningError: Where votes were edited.
    """
    if policy.preference is None or release is None:
        return None
    return preference_votes(store, candidate_id, release.candidate_id, policy.preference.listeners)


def why_stale(
    verdict: Verdict,
    release: Release | None,
    *,
    policy: GatePolicy,
    votes: PreferenceVotes | None,
    prompts: Mapping[str, str],
) -> list[str]:
    """Return what has changed since a verdict was given, in words. Empty where it is current.

    Args:
        verdict: The earlier one.
        release: The champion's of today, or None.
        policy: The one of today.
        votes: The votes so far, None where the policy asks for none.
        prompts: The sha256 of the locked prompts of today, as LockedPrompts gives them, where known.
    """
    reasons = []
    then = verdict.champion
    if (then and then.candidate_id) != (release and release.candidate_id):
        before = f"version {then.version}" if then else "no champion"
        now = f"version {release.version}" if release else "none"
        reasons.append(f"it was given against {before} and the champion is now {now}")
    if verdict.decision.policy_sha256 != policy_sha256(policy):
        reasons.append("it was given under another gate policy than the one in params.yaml")
    elif votes is not None and _has_other_votes(verdict, votes):
        reasons.append("listeners have voted since it was given")
    seen = _prompts_of(verdict.decision)
    if replaced := sorted(part for part, sha256 in prompts.items() if seen.get(part, sha256) != sha256):
        reasons.append(f"the prompts of {', '.join(replaced)} were replaced since it was given")
    return reasons


def _prompts_of(decision: Decision) -> dict[str, str]:
    """Return the sha256 of the prompts that a decision rests on, by part as LockedPrompts names them."""
    own = {LANGUAGE.slice_of(decision.language): decision.prompts_sha256}
    parts = ((kind, part) for kind in PART_KINDS for part in getattr(decision, kind.field))
    return own | {kind.slice_of(kind.name_of(part)): part.prompts_sha256 for kind, part in parts}


def _find_champion(store: Store, voice: str, *, release: Release) -> Candidate:
    """Return the registered version that the journal names as champion."""
    version = released_version(store, voice, release)
    if version is None:
        raise CannotMeasure(f"the champion of {voice}, version {release.version}, is gone from MLflow; roll back first")
    return find_candidate(store, voice, version=version, candidate_id=release.candidate_id)


def _load_champion_scores(
    store: Store,
    current: Candidate | None,
    *,
    lanes: Collection[str],
    given: ChampionScores | None,
    other: Scorecard,
    policy: GatePolicy,
    prompt_sets: Sequence[PromptSet],
) -> tuple[Scorecard | None, str]:
    """Return the champion's scores after a check, and their sha256. None without a champion."""
    if current is None and given is not None:
        raise CannotMeasure(
            f"scores of a champion of {other.voice} were given, but {other.voice} has no champion; leave them out"
        )
    if current is None:
        return None, ""
    scorecard, sha256 = _champion_scores(
        store, current, lanes=lanes, given=given, other=other, policy=policy, prompt_sets=prompt_sets
    )
    _check_scores(f"the champion, version {current.version}", scorecard, prompt_sets)
    return scorecard, sha256


def _champion_scores(
    store: Store,
    current: Candidate,
    *,
    lanes: Collection[str],
    given: ChampionScores | None,
    other: Scorecard,
    policy: GatePolicy,
    prompt_sets: Sequence[PromptSet],
) -> tuple[Scorecard, str]:
    """Return the champion's scores that compare with `other`, and their sha256.

    The scores are those given, else the champion's own, else the newest that `vox rescore` kept. Kept scores also
    come first where they have a language of the candidate that the champion's own lack. They never count where they
    lack a language or preset of the champion, or a lane that it is served in, unless the policy says that it is
    retired: the candidate must not be worse in it.

    Raises:
        CannotMeasure: Where there are none. The message says how to get them.
    """
    who = f"the champion of {current.voice}, version {current.version},"
    remedy = f"score the champion again with `vox rescore {current.voice}`"
    if given is not None:
        for name in ("candidate_id", "weights_sha256"):
            seen, right = getattr(given, name), getattr(current, name)
            if seen != right:
                raise CannotMeasure(
                    f"the scores given for {who} are of another voice ({name} {seen[:12]}... instead of "
                    f"{right[:12]}...); {remedy}"
                )
        return given.scorecard, sha256_text(given.scorecard.model_dump_json())
    own, problem = None, ""
    try:
        own = scorecard_of(store, current)
    except (CandidateError, ValueError) as error:  # lost, changed, or written by another version
        problem = f"has no scores that can be used: {error}; or {remedy}"
    else:
        if faults := _faults(own, prompt_sets):  # as after a change of the detectors of failures
            problem = f"has scores that cannot be believed: {'; '.join(faults)}; {remedy}"
        for name, of_champion, of_candidate in differences(own, other):
            problem = (
                f"was scored under other {name} than the candidate: {_shorten(of_champion)} and "
                f"{_shorten(of_candidate)}; {remedy}"
            )
        if own.voice_embedding is None and other.voice_embedding is not None:  # registered before it was kept
            problem = problem or f"has scores that do not say whose recordings they are measured against; {remedy}"
    if not problem and set(other.languages) <= set(own.languages):
        return own, current.scores_sha256
    parts = _parts_of_champion(store, current, own, lanes=lanes) - set(policy.retired)
    kept = find_comparable_scorecard(store, current, like=other, parts=parts)
    if not problem and (kept is None or not set(other.languages) <= set(kept.languages)):
        return own, current.scores_sha256  # the decision says in which languages there was nothing to compare with
    if kept is None:
        all_parts = f"; params.yaml must have its {', '.join(sorted(parts))}, or gate.retired name it" if parts else ""
        raise CannotMeasure(f"{who} {problem}{all_parts}")
    return kept, sha256_text(kept.model_dump_json())


def _parts_of_champion(
    store: Store, current: Candidate, own: Scorecard | None, *, lanes: Collection[str]
) -> frozenset[str]:
    """Return the languages and presets that the champion speaks, and the lanes that it is served in.

    Its files name the first two where its scores are lost.
    """
    in_service = map(LANE.slice_of, lanes)
    if own is not None:
        return frozenset((*(own.parts - set(map(LANE.slice_of, LANE.by_name(own)))), *in_service))
    folder = voice_folder_of(store, current)
    languages = json.loads((folder / DEFAULT_FILE).read_text(encoding="utf-8")).get("other_languages", ())
    presets = (f"preset {name}" for name in list_presets(folder))
    return frozenset((*(f"language {language}" for language in languages), *presets, *in_service))


def _has_other_votes(verdict: Verdict, votes: PreferenceVotes) -> bool:
    seen = verdict.decision.preference
    return seen is None or any(getattr(seen, name) != count for name, count in asdict(votes).items())


def _shorten(value: object) -> str:
    return str(value) if len(str(value)) <= MAX_CHARACTERS else f"{str(value)[:MAX_CHARACTERS]}..."


def _subject(candidate: Candidate, scores_sha256: str) -> Subject:
    return Subject(
        version=candidate.version,
        candidate_id=candidate.candidate_id,
        weights_sha256=candidate.weights_sha256,
        scores_sha256=scores_sha256,
    )

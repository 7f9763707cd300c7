"""The gate in languages other than the voice's own: each has rules, checks and reasons of its own.

Nothing passes here without being judged. A language that was spoken and has no rules, or has rules and was not spoken,
leaves the decision open. A language that the champion was scored in and the candidate was not is a regression.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from metrics.scores import LanguageScores, Scorecard, pooled
from registry.gate.checks import Checks, decide_outcome, run_checks
from registry.gate.counting import counted_rows
from registry.gate.decision import LanguageDecision, Outcome, Reason
from registry.gate.policy import GatePolicy
from registry.gate.reasons.builder import check_reasons
from registry.gate.reasons.causes import count_failures, find_causes
from registry.gate.reasons.codes import REASON_CODES, Rank, ReasonCode
from registry.gate.tables import score_table
from registry.gate.worst_prompts import find_worst_prompts

# What a language can lack, and where the reason stands among the others.
RANKS = {
    ReasonCode.LANGUAGE_LOST: Rank.SLICE,
    ReasonCode.LANGUAGE_NOT_SCORED: Rank.UNCLEAR,
    ReasonCode.LANGUAGE_WITHOUT_RULES: Rank.UNCLEAR,
    ReasonCode.LANGUAGE_NEW: Rank.MET,
}


@dataclass(frozen=True)
class LanguageResult:
    """What the gate finds in one language.

    Attributes:
        outcome: The best outcome that a decision can have with it.
        reasons: Every reason, still without its text.
        decision: The figures and checks, None where the candidate was not scored in the language.
    """

    outcome: Outcome
    reasons: tuple[Reason, ...]
    decision: LanguageDecision | None


def decide_languages(
    candidate: Scorecard, champion: Scorecard | None, *, policy: GatePolicy, recordings: Mapping[str, float]
) -> tuple[LanguageResult, ...]:
    """Check every language besides the voice's own that the candidate, the champion or the policy names.

    Args:
        candidate: Complete scores of the candidate.
        champion: Scores of the champion that compare with them, or None.
        policy: The rules of each language.
        recordings: Pooled figures of the held-out recordings by metric, empty where there are none.
    """
    scored = [*candidate.languages, *(champion.languages if champion else ()), *policy.other_languages]
    results = []
    for language in sorted(set(scored) - {candidate.language}):
        of_candidate = candidate.in_language(language)
        of_champion = champion.in_language(language) if champion else None
        if of_candidate is None:
            code = ReasonCode.LANGUAGE_NOT_SCORED if of_champion is None else ReasonCode.LANGUAGE_LOST
            results.append(_result([_reason(code, language)], None, checks_outcome="pass"))
        else:
            results.append(
                _decide_language(
                    of_candidate, of_champion, policy=policy, recordings=recordings, has_champion=champion is not None
                )
            )
    return tuple(results)


def slice_of(language: str) -> str:
    """Return how the gate names the prompts of a language."""
    return f"language {language}"


def _decide_language(
    candidate: LanguageScores,
    champion: LanguageScores | None,
    *,
    policy: GatePolicy,
    recordings: Mapping[str, float],
    has_champion: bool,
) -> LanguageResult:
    language = candidate.language
    rows, champion_rows = counted_rows(candidate.rows), counted_rows(champion.rows if champion else ())
    scores = score_table(rows, ())
    champion_scores = score_table(champion_rows, ()) if champion else None
    reasons, outcome, checks = [], "pass", Checks(())
    if language in policy.other_languages:
        checks = run_checks(
            policy.in_language(language),
            scores,
            champion=champion_scores,
            recordings=recordings,
            slice_name=slice_of(language),
        )
        # without a champion in this language, the thresholds alone count, as for a first release
        outcome = decide_outcome(checks, has_champion=True, first_release=False)
        causes = find_causes(rows, champion_rows, recordings=recordings) if outcome == "fail" else None
        reasons += check_reasons(checks, causes)
        if has_champion and champion is None:
            reasons.append(_reason(ReasonCode.LANGUAGE_NEW, language))
    else:
        reasons.append(_reason(ReasonCode.LANGUAGE_WITHOUT_RULES, language))
    decision = LanguageDecision(
        language=language,
        figures=pooled(rows),
        champion_figures=pooled(champion_rows) if champion else None,
        failures=count_failures(rows),
        champion_failures=count_failures(champion_rows) if champion else None,
        thresholds=checks.thresholds,
        comparisons=checks.comparisons,
        regressed_prompts=checks.regressed_prompts,
        worst_prompts=find_worst_prompts(rows, scores, champion=champion_scores),
        n_prompts=len(scores.prompt_ids),
        n_utterances=len(rows),
        seeds=candidate.seeds,
        normalizer=candidate.normalizer,
        normalizer_version=candidate.normalizer_version,
        prompts_sha256=candidate.prompts_sha256,
    )
    return _result(reasons, decision, checks_outcome=outcome)


def _result(reasons: list[Reason], decision: LanguageDecision | None, *, checks_outcome: Outcome) -> LanguageResult:
    outcomes = {checks_outcome, *(REASON_CODES[reason.code].outcome for reason in reasons)}
    return LanguageResult(worst_outcome(outcomes), tuple(reasons), decision)


def _reason(code: ReasonCode, language: str) -> Reason:
    return Reason(code=code, rank=RANKS[code], slice=slice_of(language), values={"language": language})


def worst_outcome(outcomes: set[Outcome]) -> Outcome:
    """Return `fail` if it is among the outcomes, else `inconclusive` if that is, else `pass`."""
    return next(outcome for outcome in ("fail", "inconclusive", "pass") if outcome in outcomes)

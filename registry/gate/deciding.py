"""The gate: may this candidate replace the champion? A pure function of two scorecards and a policy.

Fail closed: scores that are missing, NaN or not comparable raise CannotMeasure, and what is not proven is
`inconclusive`. An utterance that could not be spoken counts as all words wrong. It is never skipped.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from metrics.scores import Scorecard, UtteranceScore, pooled
from registry.gate.checks import decide_outcome, run_checks
from registry.gate.decision import Decision
from registry.gate.faults import check_scores, has_audio, has_no_similarity
from registry.gate.policy import GatePolicy, policy_sha256
from registry.gate.preference import PreferenceVotes
from registry.gate.reasons.advice import advise
from registry.gate.reasons.builder import build_reasons
from registry.gate.reasons.causes import count_failures, find_causes
from registry.gate.reasons.text import with_text
from registry.gate.tables import score_table
from registry.gate.worst_prompts import find_worst_prompts


def decide(
    candidate: Scorecard,
    champion: Scorecard | None,
    *,
    policy: GatePolicy,
    first_release: bool = False,
    prompt_ids: Collection[str] | None = None,
    votes: PreferenceVotes | None = None,
) -> Decision:
    """Decide whether a candidate may be released, by the thresholds and against the champion if there is one.

    Args:
        candidate: Scores of the candidate.
        champion: Scores of the champion on the same prompts and seeds, under the same judges, or None.
        policy: What the candidate must show.
        first_release: A person requested a release without a champion. Only the thresholds count then.
        prompt_ids: Every prompt of the set, where known. Finds prompts that both scorecards lack.
        votes: Listeners' votes between the two, where there are any.

    Raises:
        CannotMeasure: With everything that keeps the scores from being compared.
    """
    # 1. Refuse scores that are incomplete, contradictory or not comparable.
    check_scores(candidate, champion, policy=policy, first_release=first_release, prompt_ids=prompt_ids)
    # 2. Bring the scores into the form in which they count.
    rows, champion_rows = _counted_rows(candidate), _counted_rows(champion)
    recordings = pooled(candidate.held_out) if candidate.held_out else {}
    scores = score_table(rows, policy.slice_kinds)
    champion_scores = score_table(champion_rows, policy.slice_kinds) if champion else None
    # 3. Run every check. The outcome follows from the results.
    checks = run_checks(policy, scores, champion=champion_scores, recordings=recordings, votes=votes)
    outcome = decide_outcome(checks, has_champion=champion is not None, first_release=first_release)
    # 4. Give every reason as an object, with the causes of a failure. The texts come last.
    causes = find_causes(rows, champion_rows, recordings=recordings) if outcome == "fail" else None
    reasons = with_text(build_reasons(checks, causes, has_champion=champion is not None, first_release=first_release))
    worst_prompts = find_worst_prompts(rows, scores, champion=champion_scores)
    return Decision(
        outcome=outcome,
        reasons=reasons,
        advice=advise(outcome, reasons, worst_prompts=[one.prompt_id for one in worst_prompts]),
        first_release=first_release,
        figures=pooled(rows),
        champion_figures=pooled(champion_rows) if champion else None,
        recordings_figures=_finite_only(recordings) or None,
        failures=count_failures(rows),
        champion_failures=count_failures(champion_rows) if champion else None,
        thresholds=checks.thresholds,
        slice_thresholds=checks.slice_thresholds,
        small_slices=checks.small_slices,
        comparisons=checks.comparisons,
        regressed_prompts=checks.regressed_prompts,
        preference=checks.preference,
        worst_prompts=worst_prompts,
        n_prompts=len(scores.prompt_ids),
        n_utterances=len(rows),
        seeds=candidate.seeds,
        judges=candidate.judges,
        prompts_sha256=candidate.prompts_sha256,
        policy_sha256=policy_sha256(policy),
    )


def _counted_rows(card: Scorecard | None) -> list[UtteranceScore]:
    return [_as_counted(row) for row in card.rows] if card else []


def _as_counted(row: UtteranceScore) -> UtteranceScore:
    """Count silence as all words wrong, and a failure without a measurable voice as similarity 0."""
    changes: dict[str, object] = {}
    if not has_audio(row):
        changes["word_errors"] = max(row.word_errors, row.n_words)
        changes["char_errors"] = max(row.char_errors, row.n_chars)
    if has_no_similarity(row):
        changes["similarity"] = 0.0
    return row.model_copy(update=changes) if changes else row


def _finite_only(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in figures.items() if math.isfinite(value)}

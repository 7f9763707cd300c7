"""The gate: may this candidate replace the champion? Pure functions of two scorecards and a policy.

Fail closed: what is missing, NaN or not comparable raises CannotMeasure, and what is merely unproven is `inconclusive`.
An utterance that could not be spoken counts as all words wrong; it is never skipped.

    faults.py       what keeps scores from being judged           tables.py          scores as arrays
    bars.py         limits, also on slices of the prompts         guards.py          sentences that were lost
    comparisons.py  against the champion                          noninferiority.py  the bootstrap and Holm
    votes.py        listeners' votes                              needed.py          how many prompts would decide
    causes.py       what lies behind a bad figure                 worst.py           what to listen to first
    reasons.py      the outcome, every reason, what to do next
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import replace

from metrics.scores import Scorecard, UtteranceScore, pooled
from registry.gate.bars import hold_bars, hold_slice_bars
from registry.gate.causes import causes_of, failures_by_name
from registry.gate.comparisons import compare
from registry.gate.faults import faults_of, has_audio, not_a_number
from registry.gate.guards import check_regressed_prompts
from registry.gate.policy import GatePolicy, policy_sha256
from registry.gate.preference import PreferenceVotes
from registry.gate.reasons import Checks, advice_of, outcome_of, reasons_of
from registry.gate.tables import ScoreTable, table
from registry.gate.worst import worst_prompts
from registry.verdicts.verdict import CannotMeasure, Decision


def judge(
    candidate: Scorecard,
    champion: Scorecard | None,
    policy: GatePolicy,
    first_release: bool = False,
    prompt_ids: Collection[str] | None = None,
    votes: PreferenceVotes | None = None,
) -> Decision:
    """Judge a candidate by the bars and, if there is a champion, against it.

    first_release: a person asked for a release without a champion; only the bars count and the decision says so.
    prompt_ids: every prompt of the set, where known: finds prompts that both scorecards lack.
    votes: of listeners between these two, where there are any.
    Raises CannotMeasure with every reason.
    """
    if faults := faults_of(candidate, champion, policy, first_release, prompt_ids):
        raise CannotMeasure("; ".join(faults))
    rows = [_counted(row) for row in candidate.rows]
    champion_rows = [_counted(row) for row in champion.rows] if champion else []
    recordings = pooled(candidate.held_out) if candidate.held_out else {}
    slices = sorted({part.by for part in policy.slices})
    scores, champion_scores = table(rows, slices), table(champion_rows, slices) if champion else None
    checks = check(policy, scores, champion_scores, recordings, votes)
    outcome = outcome_of(checks, champion is not None, first_release)
    causes = causes_of(rows, champion_rows, recordings) if outcome == "fail" else None
    reasons = reasons_of(checks, causes, champion is not None, first_release)
    worst = worst_prompts(rows, scores, champion_scores)
    return Decision(
        outcome=outcome,
        reasons=reasons,
        advice=advice_of(checks, outcome, reasons, worst, champion is not None, first_release),
        first_release=first_release,
        figures=pooled(rows),
        champion_figures=pooled(champion_rows) if champion else None,
        recordings_figures=_finite(recordings) or None,
        failures=failures_by_name(rows),
        champion_failures=failures_by_name(champion_rows) if champion else None,
        bars=checks.bars,
        slice_bars=checks.slice_bars,
        small_slices=checks.small_slices,
        comparisons=checks.comparisons,
        regressed_prompts=checks.regressed_prompts,
        preference=checks.preference,
        worst_prompts=worst,
        n_prompts=len(scores.prompt_ids),
        n_utterances=len(rows),
        seeds=candidate.seeds,
        judges=candidate.judges,
        prompts_sha256=candidate.prompts_sha256,
        policy_sha256=policy_sha256(policy),
    )


def check(
    policy: GatePolicy,
    candidate: ScoreTable,
    champion: ScoreTable | None,
    recordings: Mapping[str, float],
    votes: PreferenceVotes | None = None,
) -> Checks:
    """Everything that the policy asks, of scores that can be judged. recordings: pooled figures, {} for none."""
    slice_bars, small_slices = hold_slice_bars(policy, candidate, recordings)
    checks = Checks(hold_bars(policy, candidate, recordings), slice_bars, small_slices)
    if champion is None:
        return checks
    comparisons, preference = compare(policy, candidate, champion, votes)
    lost = (
        None
        if policy.regressed_prompts is None
        else check_regressed_prompts(policy.regressed_prompts, candidate, champion)
    )
    return replace(checks, comparisons=comparisons, preference=preference, regressed_prompts=lost)


def _counted(row: UtteranceScore) -> UtteranceScore:
    """The row as it counts: silence is all words wrong, and a failure without a measurable voice resembles nobody."""
    changes: dict[str, object] = {}
    if not has_audio(row):
        changes["word_errors"] = max(row.word_errors, row.n_words)
        changes["char_errors"] = max(row.char_errors, row.n_chars)
    if not_a_number(row):
        changes["similarity"] = 0.0
    return row.model_copy(update=changes) if changes else row


def _finite(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in figures.items() if math.isfinite(value)}

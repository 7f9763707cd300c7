"""Run every check that the policy asks of scores, and tell the outcome from the results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from registry.gate.comparisons import compare
from registry.gate.decision import (
    Comparison,
    Outcome,
    PreferenceCheck,
    RegressedPromptsCheck,
    SmallSlice,
    ThresholdCheck,
)
from registry.gate.policy import GatePolicy
from registry.gate.preference import PreferenceVotes
from registry.gate.regressed_prompts import check_regressed_prompts
from registry.gate.tables import ScoreTable
from registry.gate.thresholds import check_slice_thresholds, check_thresholds


@dataclass(frozen=True)
class Checks:
    """The result of every check. Those against a champion are empty or None where there is no champion."""

    thresholds: tuple[ThresholdCheck, ...]
    slice_thresholds: tuple[ThresholdCheck, ...] = ()
    small_slices: tuple[SmallSlice, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    regressed_prompts: RegressedPromptsCheck | None = None
    preference: PreferenceCheck | None = None


def run_checks(
    policy: GatePolicy,
    candidate: ScoreTable,
    *,
    champion: ScoreTable | None,
    recordings: Mapping[str, float],
    votes: PreferenceVotes | None = None,
    slice_name: str = "",
) -> Checks:
    """Run every check of the policy on scores that are complete and comparable.

    Args:
        policy: The rules.
        candidate: Scores of the candidate.
        champion: Scores of the champion on the same prompts and seeds, or None.
        recordings: Pooled figures of the held-out recordings by metric, empty where there are none.
        votes: Listeners' votes between the two, where there are any.
        slice_name: How the scores are named, such as `language zh`. Empty for the voice's own language.
    """
    thresholds = check_thresholds(policy, candidate, recordings=recordings, slice_name=slice_name)
    slice_thresholds, small_slices = check_slice_thresholds(policy, candidate, recordings=recordings)
    if champion is None:
        return Checks(thresholds, slice_thresholds, small_slices)
    comparisons, preference = compare(candidate, champion, policy=policy, votes=votes)
    comparisons = tuple(one.model_copy(update={"slice": slice_name}) for one in comparisons)
    regressed_prompts = None
    if policy.regressed_prompts is not None:
        regressed_prompts = check_regressed_prompts(candidate, champion, rule=policy.regressed_prompts)
        regressed_prompts = regressed_prompts.model_copy(update={"slice": slice_name})
    return Checks(thresholds, slice_thresholds, small_slices, comparisons, regressed_prompts, preference)


def decide_outcome(checks: Checks, *, has_champion: bool, first_release: bool) -> Outcome:
    """Return the outcome that the checks give.

    Something shown to be bad is `fail`. Else something not shown to be good is `inconclusive`. Else it is `pass`.

    Args:
        checks: The results.
        has_champion: Whether there was a champion to compare with.
        first_release: Whether a person requested a release without a champion.
    """
    evidence = [one.outcome for one in checks.comparisons]
    if checks.preference is not None:
        evidence.append(checks.preference.outcome)
    regressed = checks.regressed_prompts.outcome if checks.regressed_prompts is not None else "met"
    all_thresholds_met = all(one.met for one in (*checks.thresholds, *checks.slice_thresholds))
    if not all_thresholds_met or "worse" in evidence or regressed == "missed":
        return "fail"
    nothing_to_compare = not has_champion and not first_release
    return "inconclusive" if "unclear" in evidence or regressed == "unclear" or nothing_to_compare else "pass"

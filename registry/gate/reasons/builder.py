"""Build the reasons of a decision from the results of the checks."""

from __future__ import annotations

from collections.abc import Iterable

from registry.gate.checks import Checks
from registry.gate.decision import (
    Cause,
    Comparison,
    PreferenceCheck,
    Reason,
    Record,
    RegressedPromptsCheck,
    ThresholdCheck,
)
from registry.gate.reasons.causes import Causes
from registry.gate.reasons.codes import REASON_CODES, CauseCode, Rank, ReasonCode

RANKS = {"failed_share": Rank.FAILURES, "similarity": Rank.SIMILARITY, "wer": Rank.WORDS, "cer": Rank.WORDS}
COMPARISON_CODES = {
    ("non_inferiority", "worse"): ReasonCode.WORSE_THAN_CHAMPION,
    ("non_inferiority", "unclear"): ReasonCode.COMPARISON_UNCLEAR,
    ("non_inferiority", "not_worse"): ReasonCode.NOT_WORSE_THAN_CHAMPION,
    ("superiority", "worse"): ReasonCode.IMPROVEMENT_NOT_SHOWN,
    ("superiority", "unclear"): ReasonCode.IMPROVEMENT_UNCLEAR,
    ("superiority", "not_worse"): ReasonCode.IMPROVEMENT_SHOWN,
}
REGRESSION_CODES = {
    "missed": ReasonCode.PROMPTS_REGRESSED,
    "unclear": ReasonCode.REGRESSED_PROMPTS_UNCLEAR,
    "met": ReasonCode.REGRESSED_PROMPTS_ALLOWED,
}
VOTE_CODES = {
    "worse": ReasonCode.LISTENERS_PREFER_CHAMPION,
    "unclear": ReasonCode.VOTES_UNCLEAR,
    "not_worse": ReasonCode.VOTES_NOT_WORSE,
}


def build_reasons(
    checks: Checks, causes: Causes | None, *, has_champion: bool, first_release: bool
) -> tuple[Reason, ...]:
    """Return every reason in the voice's own language, still without its text.

    Args:
        checks: The results.
        causes: What lies behind the figures of a candidate that failed, or None where nothing failed.
        has_champion: Whether there was a champion to compare with.
        first_release: Whether a person requested a release without a champion.
    """
    reasons = check_reasons(checks, causes)
    if checks.preference is not None:
        reasons.append(_vote_reason(checks.preference))
    if not has_champion and not first_release:
        reasons.append(Reason(code=ReasonCode.NO_CHAMPION, rank=Rank.UNCLEAR))
    reasons += [
        Reason(
            code=ReasonCode.SLICE_TOO_SMALL,
            rank=Rank.MET,
            slice=small.slice,
            values=_values(ReasonCode.SLICE_TOO_SMALL, small),
        )
        for small in checks.small_slices
    ]
    if first_release:
        reasons.append(Reason(code=ReasonCode.FIRST_RELEASE, rank=Rank.MET))
    return tuple(reasons)


def check_reasons(checks: Checks, causes: Causes | None) -> list[Reason]:
    """Return the reasons of thresholds, comparisons and regressed prompts, in one language.

    Args:
        checks: The results.
        causes: What lies behind the figures of a candidate that failed, or None where nothing failed.
    """
    reasons = [_threshold_reason(check, causes) for check in (*checks.thresholds, *checks.slice_thresholds)]
    reasons += [_comparison_reason(check, causes) for check in checks.comparisons]
    if checks.regressed_prompts is not None:
        reasons.append(_regression_reason(checks.regressed_prompts, causes))
    return reasons


def sort_reasons(reasons: Iterable[Reason]) -> tuple[Reason, ...]:
    """Sort reasons by rank. Within a rank they keep their order, which is the policy's."""
    return tuple(sorted(reasons, key=lambda reason: reason.rank))


def threshold_code(check: ThresholdCheck) -> ReasonCode:
    """Return the code of the reason that a threshold gives."""
    return ReasonCode.THRESHOLD_MET if check.met else ReasonCode.THRESHOLD_MISSED


def comparison_code(check: Comparison) -> ReasonCode:
    """Return the code of the reason that a comparison gives."""
    return COMPARISON_CODES[check.rule, check.outcome]


def regression_code(check: RegressedPromptsCheck) -> ReasonCode:
    """Return the code of the reason that regressed prompts give."""
    return REGRESSION_CODES[check.outcome]


def vote_code(check: PreferenceCheck) -> ReasonCode:
    """Return the code of the reason that listeners' votes give."""
    if check.n_candidate + check.n_champion < check.min_votes:
        return ReasonCode.TOO_FEW_VOTES
    return VOTE_CODES[check.outcome]


def _threshold_reason(check: ThresholdCheck, causes: Causes | None) -> Reason:
    code = threshold_code(check)
    rank, found = Rank.MET, ()
    if not check.met and check.slice:
        rank = Rank.SLICE
    elif not check.met:
        rank, found = _rank_of_metric(check.metric, causes), causes.behind(check.metric)
    return Reason(
        code=code, rank=rank, metric=check.metric, slice=check.slice, causes=found, values=_values(code, check)
    )


def _comparison_reason(check: Comparison, causes: Causes | None) -> Reason:
    code = comparison_code(check)
    rank, found = _rank_of_outcome(code), ()
    if code == ReasonCode.IMPROVEMENT_NOT_SHOWN:
        rank = Rank.IMPROVEMENT
    elif code == ReasonCode.WORSE_THAN_CHAMPION:
        rank, found = _rank_of_metric(check.metric, causes), causes.behind(check.metric)
    return Reason(
        code=code,
        rank=_rank_in_slice(rank, check.slice),
        metric=check.metric,
        slice=check.slice,
        causes=found,
        values=_values(code, check),
    )


def _regression_reason(check: RegressedPromptsCheck, causes: Causes | None) -> Reason:
    code = regression_code(check)
    rank, found = _rank_of_outcome(code), ()
    if code == ReasonCode.PROMPTS_REGRESSED:
        rank, found = Rank.FAILURES, causes.failures or (causes.words,)
        if check.silent:
            found = (Cause(code=CauseCode.SILENT_PROMPTS, values={"n_prompts": len(check.silent)}),)
    values = {
        "n_regressed": len(check.regressed),
        "n_silent": len(check.silent),
        "at_most": check.at_most,
        "min_seeds": check.min_seeds,
    }
    return Reason(
        code=code,
        rank=_rank_in_slice(rank, check.slice),
        slice=check.slice,
        causes=found,
        values=values,
        prompts=check.regressed,
    )


def _vote_reason(check: PreferenceCheck) -> Reason:
    code = vote_code(check)
    rank = Rank.VOTES if code == ReasonCode.LISTENERS_PREFER_CHAMPION else _rank_of_outcome(code)
    return Reason(code=code, rank=rank, values=_values(code, check))


def _rank_in_slice(rank: Rank, slice_name: str) -> Rank:
    """Return the rank of a reason, which in another language or preset stands behind those of the voice itself."""
    return max(rank, Rank.SLICE) if slice_name else rank


def _rank_of_metric(metric: str, causes: Causes) -> Rank:
    return Rank.ANOTHER_SPEAKER if metric == "similarity" and causes.is_another_speaker else RANKS[metric]


def _rank_of_outcome(code: ReasonCode) -> Rank:
    return Rank.UNCLEAR if REASON_CODES[code].outcome == "inconclusive" else Rank.MET


def _values(code: ReasonCode, check: Record) -> dict[str, int | float | str | None]:
    return {name: getattr(check, name) for name in REASON_CODES[code].values}

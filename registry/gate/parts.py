"""The gate in the parts of a scorecard that have rules of their own: further languages and further presets.

Nothing passes here without being judged. A part that was spoken and has no rules, or has rules and was not spoken,
leaves the decision open. A part that the champion was scored in and the candidate was not is a regression, unless the
policy says that the part is retired.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from metrics.scores import LanguageScores, PresetScores, pooled
from registry.gate.checks import Checks, decide_outcome, run_checks
from registry.gate.counting import counted_rows
from registry.gate.decision import Outcome, PartDecision, Reason
from registry.gate.policy import GatePolicy
from registry.gate.reasons.builder import check_reasons
from registry.gate.reasons.causes import count_failures, find_causes
from registry.gate.reasons.codes import REASON_CODES, Rank, ReasonCode
from registry.gate.tables import score_table
from registry.gate.worst_prompts import find_worst_prompts

Scores = LanguageScores | PresetScores
# Makes the record of a part from its scores, the fields that every part has, and its outcome
MakeRecord = Callable[[Any, dict[str, Any], Outcome], PartDecision]


@dataclass(frozen=True)
class PartKind:
    """A kind of part: what it is called, and the reasons for what it can lack."""

    name: str
    lost: ReasonCode
    not_scored: ReasonCode
    without_rules: ReasonCode
    new: ReasonCode
    retired: ReasonCode

    def slice_of(self, name: str) -> str:
        """Return how the gate names the prompts of a part, such as `language zh`."""
        return f"{self.name} {name}"

    def reason(self, code: ReasonCode, name: str) -> Reason:
        """Return the reason that a part lacks something, which stands where its outcome belongs."""
        ranks = {self.lost: Rank.SLICE, self.new: Rank.MET, self.retired: Rank.MET}
        return Reason(
            code=code, rank=ranks.get(code, Rank.UNCLEAR), slice=self.slice_of(name), values={self.name: name}
        )


@dataclass(frozen=True)
class PartResult:
    """What the gate finds in one part.

    Attributes:
        slice: How the part is named in reasons.
        outcome: The best outcome that a decision can have with it.
        reasons: Every reason, still without its text.
        decision: The figures and checks, None where the candidate was not scored in the part.
    """

    slice: str
    outcome: Outcome
    reasons: tuple[Reason, ...]
    decision: PartDecision | None


def decide_parts(
    kind: PartKind,
    candidate: Mapping[str, Scores],
    champion: Mapping[str, Scores] | None,
    *,
    policies: Mapping[str, GatePolicy],
    retired: Collection[str],
    recordings: Mapping[str, float],
    make_record: MakeRecord,
) -> tuple[PartResult, ...]:
    """Check every part of a kind that the candidate, the champion or the policy names.

    Args:
        kind: The kind.
        candidate: The candidate's complete scores by part.
        champion: The champion's that compare with them, or None without a champion.
        policies: The rules of each part.
        retired: Slices of the parts that a candidate may lack, such as `preset dialogue`.
        recordings: Pooled figures of the held-out recordings by metric, empty where there are none.
        make_record: Makes the record of a part.
    """
    results = []
    for name in sorted({*candidate, *(champion or ()), *policies}):
        of_champion = champion.get(name) if champion is not None else None
        if name not in candidate:
            lost = kind.retired if kind.slice_of(name) in retired else kind.lost
            code = kind.not_scored if of_champion is None else lost
            reason = kind.reason(code, name)
            results.append(PartResult(kind.slice_of(name), REASON_CODES[code].outcome, (reason,), None))
            continue
        missing = []
        if name not in policies:
            missing.append(kind.reason(kind.without_rules, name))
        elif champion is not None and of_champion is None:
            missing.append(kind.reason(kind.new, name))
        results.append(
            _decide_part(
                kind.slice_of(name),
                candidate[name],
                of_champion,
                policy=policies.get(name),
                missing=missing,
                recordings=recordings,
                make_record=make_record,
            )
        )
    return tuple(results)


def _decide_part(
    slice_name: str,
    candidate: Scores,
    champion: Scores | None,
    *,
    policy: GatePolicy | None,
    missing: list[Reason],
    recordings: Mapping[str, float],
    make_record: MakeRecord,
) -> PartResult:
    rows, champion_rows = counted_rows(candidate.rows), counted_rows(champion.rows if champion else ())
    scores = score_table(rows, ())
    champion_scores = score_table(champion_rows, ()) if champion else None
    reasons, outcome, checks = list(missing), "pass", Checks(())
    if policy is not None:
        checks = run_checks(policy, scores, champion=champion_scores, recordings=recordings, slice_name=slice_name)
        # without a champion in this part, the thresholds alone count, as for a first release
        outcome = decide_outcome(checks, has_champion=True, first_release=False)
        causes = find_causes(rows, champion_rows, recordings=recordings) if outcome == "fail" else None
        reasons = [*check_reasons(checks, causes), *missing]
    outcome = worst_outcome({outcome, *(REASON_CODES[reason.code].outcome for reason in reasons)})
    fields = {
        "figures": pooled(rows),
        "champion_figures": pooled(champion_rows) if champion else None,
        "failures": count_failures(rows),
        "champion_failures": count_failures(champion_rows) if champion else None,
        "thresholds": checks.thresholds,
        "comparisons": checks.comparisons,
        "regressed_prompts": checks.regressed_prompts,
        "worst_prompts": find_worst_prompts(rows, scores, champion=champion_scores),
        "n_prompts": len(scores.prompt_ids),
        "n_utterances": len(rows),
        "seeds": candidate.seeds,
        "prompts_sha256": candidate.prompts_sha256,
    }
    return PartResult(slice_name, outcome, tuple(reasons), make_record(candidate, fields, outcome))


def worst_outcome(outcomes: set[Outcome]) -> Outcome:
    """Return `fail` if it is among the outcomes, else `inconclusive` if that is, else `pass`."""
    return next(outcome for outcome in ("fail", "inconclusive", "pass") if outcome in outcomes)

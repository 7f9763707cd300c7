"""The gate in lanes besides batch, such as the real-time lane: they decide where a voice is served, not whether.

A lane has rules and an outcome of its own, like a preset. One that did not pass is not offered, and the voice is
released all the same. But applications rely on a lane in which the champion is served: a release that takes it away is
a regression, unless the policy says that the lane is retired.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from metrics.scores import Scorecard
from registry.gate.decision import Reason
from registry.gate.part_kinds import LANE
from registry.gate.parts import PartResult, judge_part, worst_outcome
from registry.gate.policy import GatePolicy
from registry.gate.reasons.builder import sort_reasons
from registry.gate.reasons.codes import REASON_CODES, ReasonCode
from registry.gate.reasons.text import with_text


def decide_lanes(
    candidate: Scorecard,
    champion: Scorecard | None,
    *,
    policy: GatePolicy,
    recordings: Mapping[str, float],
    in_service: Collection[str],
) -> tuple[PartResult, ...]:
    """Check every lane that the candidate or the policy names, or that the champion is served in.

    The outcome and the reasons of a result are about the release. Those of the lane itself are in its record.

    Args:
        candidate: Complete scores of the candidate.
        champion: Scores of the champion that compare with them, or None.
        policy: The rules of each lane.
        recordings: Pooled figures of the held-out recordings by metric, empty where there are none.
        in_service: Lanes in which the champion is served.
    """
    of_candidate, of_champion = LANE.by_name(candidate), LANE.by_name(champion)
    results = []
    for name in sorted({*of_candidate, *policy.lanes, *in_service}):
        rules, judged = policy.lanes.get(name), None
        if name in of_candidate:
            judged = judge_part(
                LANE,
                of_candidate[name],
                of_champion.get(name),
                policy=policy.for_part(rules) if rules else None,
                recordings=recordings,
            )
        is_new = champion is not None and name not in of_champion
        reasons = [*_finding(name, judged, has_rules=rules is not None, is_new=is_new)]
        if name in in_service and (judged is None or judged.outcome != "pass"):
            reasons.append(LANE.reason(_loss(name, judged, policy), name))
        results.append(_about_the_release(name, judged, reasons))
    return tuple(results)


def _finding(name: str, judged: PartResult | None, *, has_rules: bool, is_new: bool) -> Iterator[Reason]:
    """Yield what was found in a lane. Nothing where neither scores nor rules name it."""
    if judged is None:
        if has_rules:
            yield LANE.reason(ReasonCode.LANE_NOT_SCORED, name)
    elif not has_rules:
        yield LANE.reason(ReasonCode.LANE_WITHOUT_RULES, name)
    elif judged.outcome != "pass":
        yield LANE.reason(ReasonCode.LANE_NOT_PASSED, name, outcome=judged.outcome)
    else:
        yield LANE.reason(ReasonCode.LANE_NEW if is_new else ReasonCode.LANE_PASSED, name)


def _loss(name: str, judged: PartResult | None, policy: GatePolicy) -> ReasonCode:
    """Return what follows for the release where the champion is served in a lane and the candidate would not be."""
    if LANE.slice_of(name) in policy.retired:
        return ReasonCode.LANE_RETIRED
    is_open = judged is not None and name in policy.lanes and judged.outcome == "inconclusive"
    return ReasonCode.LANE_UNCLEAR if is_open else ReasonCode.LANE_LOST


def _about_the_release(name: str, judged: PartResult | None, reasons: Sequence[Reason]) -> PartResult:
    outcome = worst_outcome({REASON_CODES[reason.code].outcome for reason in reasons})
    decision = None
    if judged is not None:
        own_reasons = with_text(sort_reasons(judged.reasons))
        decision = judged.decision.model_copy(update={"reasons": own_reasons})
    return PartResult(LANE.slice_of(name), outcome, tuple(reasons), decision)

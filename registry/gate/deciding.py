"""The gate: may this candidate replace the champion? A pure function of two scorecards and a policy.

Fail closed: scores that are missing, NaN or not comparable raise CannotMeasure, and what is not proven is
`inconclusive`. An utterance that could not be spoken counts as all words wrong. It is never skipped.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from metrics.scores import Scorecard, pooled
from registry.gate.checks import decide_outcome, run_checks
from registry.gate.counting import counted_rows
from registry.gate.decision import Decision, PartDecision, PromptDifference, Reason
from registry.gate.faults import check_scores
from registry.gate.lanes import decide_lanes
from registry.gate.part_kinds import LANGUAGE, PART_KINDS, PRESET
from registry.gate.parts import PartResult, decide_parts, shared_fields, worst_outcome
from registry.gate.policy import GatePolicy, policy_sha256
from registry.gate.preference import PreferenceVotes
from registry.gate.reasons.advice import advise
from registry.gate.reasons.builder import build_reasons, sort_reasons
from registry.gate.reasons.causes import find_causes
from registry.gate.reasons.text import with_text
from registry.gate.tables import score_table


def decide(
    candidate: Scorecard,
    champion: Scorecard | None,
    *,
    policy: GatePolicy,
    first_release: bool = False,
    prompt_ids: Mapping[str, Collection[str]] | None = None,
    votes: PreferenceVotes | None = None,
    lanes_in_service: Collection[str] = (),
) -> Decision:
    """Decide whether a candidate may be released, by the thresholds and against the champion if there is one.

    Args:
        candidate: Scores of the candidate.
        champion: Scores of the champion on the same prompts and seeds, under the same judges, or None.
        policy: What the candidate must show.
        first_release: A person requested a release without a champion. Only the thresholds count then.
        prompt_ids: Every prompt of a language, of `preset NAME` and of `lane NAME`, where known. Finds prompts that
            both lack.
        votes: Listeners' votes between the two, where there are any.
        lanes_in_service: Lanes besides batch in which the champion is served.

    Raises:
        CannotMeasure: With everything that keeps the scores from being compared.
    """
    # 1. Refuse scores that are incomplete, contradictory or not comparable.
    check_scores(candidate, champion, policy=policy, first_release=first_release, prompt_ids=prompt_ids)
    # 2. Bring the scores in the voice's own language into the form in which they count.
    rows, champion_rows = counted_rows(candidate.rows), counted_rows(champion.rows if champion else ())
    recordings = pooled(candidate.held_out) if candidate.held_out else {}
    scores = score_table(rows, policy.slice_kinds)
    champion_scores = score_table(champion_rows, policy.slice_kinds) if champion else None
    # 3. Run every check: on the voice itself, in each other language, preset and lane. The outcome follows.
    checks = run_checks(policy, scores, champion=champion_scores, recordings=recordings, votes=votes)
    own_outcome = decide_outcome(checks, has_champion=champion is not None, first_release=first_release)
    parts = [
        *decide_parts(LANGUAGE, candidate, champion, policy=policy, recordings=recordings),
        *decide_parts(PRESET, candidate, champion, policy=policy, recordings=recordings),
        *decide_lanes(candidate, champion, policy=policy, recordings=recordings, in_service=lanes_in_service),
    ]
    outcome = worst_outcome({own_outcome, *(one.outcome for one in parts)})
    # 4. Give every reason as an object, with the causes of a failure. The texts come last.
    causes = find_causes(rows, champion_rows, recordings=recordings) if own_outcome == "fail" else None
    reasons = build_reasons(checks, causes, has_champion=champion is not None, first_release=first_release)
    reasons = with_text(sort_reasons([*reasons, *(reason for one in parts for reason in one.reasons)]))
    fields = shared_fields(candidate, rows, champion_rows, table=scores, champion=champion_scores)
    return Decision(
        **fields,
        **vars(checks),
        **_decisions_of(parts),
        outcome=outcome,
        reasons=reasons,
        advice=advise(outcome, reasons, worst_prompts=_prompts_to_hear(reasons[0], fields["worst_prompts"], parts)),
        first_release=first_release,
        recordings_figures=_finite_only(recordings) or None,
        language=candidate.language,
        judges=candidate.judges,
        policy_sha256=policy_sha256(policy),
    )


def _decisions_of(parts: Sequence[PartResult]) -> dict[str, tuple[PartDecision, ...]]:
    """Return the fields of a Decision that hold the figures and checks of its parts."""
    decisions = [part.decision for part in parts]
    return {kind.field: tuple(one for one in decisions if isinstance(one, kind.record)) for kind in PART_KINDS}


def _prompts_to_hear(reason: Reason, own: Sequence[PromptDifference], parts: Sequence[PartResult]) -> list[str]:
    """Return the worst prompts of the language, preset or lane that a reason is about."""
    worst = {one.slice: one.decision.worst_prompts for one in parts if one.decision is not None}
    return [one.prompt_id for one in worst.get(reason.slice, own)]


def _finite_only(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in figures.items() if math.isfinite(value)}

"""The gate in the parts of a scorecard that have rules of their own.

Further languages and presets are judged here, lanes in lanes.py. Nothing passes here without being judged. A language
or preset that was spoken and has no rules, or has rules and was not spoken, leaves the decision open. One that the
champion was scored in and the candidate was not is a regression, unless the policy says that it is retired.

Each is judged by its own prompts alone. Candidate and champion are compared by what is heard: the settings of a preset
may differ, because a change of a preset is what the comparison is about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from metrics.scores import Scorecard, UtteranceScore, pooled
from registry.gate.checks import Checks, decide_outcome, run_checks
from registry.gate.counting import counted_rows
from registry.gate.decision import Outcome, PartDecision, Reason
from registry.gate.part_kinds import LANGUAGE, PRESET, PartKind, PartScores
from registry.gate.policy import GatePolicy
from registry.gate.reasons.builder import check_reasons
from registry.gate.reasons.causes import count_failures, find_causes
from registry.gate.reasons.codes import REASON_CODES, ReasonCode
from registry.gate.tables import ScoreTable, score_table
from registry.gate.worst_prompts import find_worst_prompts


class PartCodes(NamedTuple):
    """The reasons for what a language or preset can lack."""

    lost: ReasonCode
    not_scored: ReasonCode
    without_rules: ReasonCode
    new: ReasonCode
    retired: ReasonCode


CODES = {
    LANGUAGE: PartCodes(
        ReasonCode.LANGUAGE_LOST,
        ReasonCode.LANGUAGE_NOT_SCORED,
        ReasonCode.LANGUAGE_WITHOUT_RULES,
        ReasonCode.LANGUAGE_NEW,
        ReasonCode.LANGUAGE_RETIRED,
    ),
    PRESET: PartCodes(
        ReasonCode.PRESET_LOST,
        ReasonCode.PRESET_NOT_SCORED,
        ReasonCode.PRESET_WITHOUT_RULES,
        ReasonCode.PRESET_NEW,
        ReasonCode.PRESET_RETIRED,
    ),
}


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
    decision: PartDecision | None = None


def decide_parts(
    kind: PartKind,
    candidate: Scorecard,
    champion: Scorecard | None,
    *,
    policy: GatePolicy,
    recordings: Mapping[str, float],
) -> tuple[PartResult, ...]:
    """Check every part of a kind that the candidate, the champion or the policy names.

    Args:
        kind: Languages or presets.
        candidate: Complete scores of the candidate.
        champion: Scores of the champion that compare with them, or None.
        policy: The rules of each part.
        recordings: Pooled figures of the held-out recordings by metric, empty where there are none.
    """
    codes, of_candidate, of_champion = CODES[kind], kind.by_name(candidate), kind.by_name(champion)
    rules = {name: one for name, one in kind.rules(policy).items() if kind != LANGUAGE or name != candidate.language}
    results = []
    for name in sorted({*of_candidate, *of_champion, *rules}):
        if name not in of_candidate:
            lost = codes.retired if kind.slice_of(name) in policy.retired else codes.lost
            code = lost if name in of_champion else codes.not_scored
            results.append(PartResult(kind.slice_of(name), REASON_CODES[code].outcome, (kind.reason(code, name),)))
            continue
        missing = []
        if name not in rules:
            missing.append(kind.reason(codes.without_rules, name))
        elif champion is not None and name not in of_champion:
            missing.append(kind.reason(codes.new, name))
        results.append(
            judge_part(
                kind,
                of_candidate[name],
                of_champion.get(name),
                policy=policy.for_part(rules[name]) if name in rules else None,
                missing=missing,
                recordings=recordings,
            )
        )
    return tuple(results)


def judge_part(
    kind: PartKind,
    candidate: PartScores,
    champion: PartScores | None,
    *,
    policy: GatePolicy | None,
    missing: Sequence[Reason] = (),
    recordings: Mapping[str, float],
) -> PartResult:
    """Check the scores of one part.

    Args:
        kind: Of the part.
        candidate: Complete scores of the candidate in it.
        champion: Scores of the champion in it that compare with them, or None.
        policy: The rules of the part, None where there are none. Nothing is checked then.
        missing: Reasons for what the part lacks.
        recordings: Pooled figures of the held-out recordings by metric, empty where there are none.
    """
    slice_name = kind.slice_of(kind.name_of(candidate))
    rows, champion_rows = counted_rows(candidate.rows), counted_rows(champion.rows if champion else ())
    scores = score_table(rows, ())
    champion_scores = score_table(champion_rows, ()) if champion else None
    reasons, outcome, checks = tuple(missing), "inconclusive", Checks(())
    if policy is not None:
        checks = run_checks(policy, scores, champion=champion_scores, recordings=recordings, slice_name=slice_name)
        # without a champion in this part, the thresholds alone count, as for a first release
        outcome = decide_outcome(checks, has_champion=True, first_release=False)
        causes = find_causes(rows, champion_rows, recordings=recordings) if outcome == "fail" else None
        reasons = (*check_reasons(checks, causes), *missing)
    outcome = worst_outcome({outcome, *(REASON_CODES[reason.code].outcome for reason in reasons)})
    own_fields = kind.record.model_fields.keys() & type(candidate).model_fields.keys()
    fields = shared_fields(candidate, rows, champion_rows, table=scores, champion=champion_scores)
    record = kind.record(
        **fields | {name: getattr(candidate, name) for name in own_fields},
        outcome=outcome,
        thresholds=checks.thresholds,
        comparisons=checks.comparisons,
        regressed_prompts=checks.regressed_prompts,
    )
    return PartResult(slice_name, outcome, reasons, record)


def shared_fields(
    card: Scorecard | PartScores,
    rows: Sequence[UtteranceScore],
    champion_rows: Sequence[UtteranceScore],
    *,
    table: ScoreTable,
    champion: ScoreTable | None,
) -> dict[str, Any]:
    """Return the figures that the decision about a voice and the one about a part of it both have.

    Args:
        card: The candidate's scores.
        rows: Its rows as they count.
        champion_rows: The champion's rows as they count, none without a champion.
        table: The candidate's scores as arrays.
        champion: The champion's scores as arrays, or None.
    """
    return {
        "figures": pooled(rows),
        "champion_figures": pooled(champion_rows) if champion else None,
        "failures": count_failures(rows),
        "champion_failures": count_failures(champion_rows) if champion else None,
        "worst_prompts": find_worst_prompts(rows, table, champion=champion),
        "n_prompts": len(table.prompt_ids),
        "n_utterances": len(rows),
        "seeds": card.seeds,
        "prompts_sha256": card.prompts_sha256,
    }


def worst_outcome(outcomes: set[Outcome]) -> Outcome:
    """Return `fail` if it is among the outcomes, else `inconclusive` if that is, else `pass`."""
    return next(outcome for outcome in ("fail", "inconclusive", "pass") if outcome in outcomes)

"""What to do next, by the codes of the reasons."""

from __future__ import annotations

from collections.abc import Sequence

from registry.gate.decision import Outcome, Reason
from registry.gate.reasons.codes import ReasonCode
from registry.gate.reasons.text import METRIC_NAMES, headline, plural

NOT_SERVED = (ReasonCode.LANE_NOT_PASSED, ReasonCode.LANE_NOT_SCORED, ReasonCode.LANE_WITHOUT_RULES)


def advise(outcome: Outcome, reasons: Sequence[Reason], *, worst_prompts: Sequence[str]) -> str:
    """Return what to do next, in a sentence or two.

    Args:
        outcome: Of the decision.
        reasons: All of them, by rank.
        worst_prompts: Ids of the prompts with the worst differences, the worst first.
    """
    if outcome == "fail":
        if reasons[0].code == ReasonCode.LANE_LOST:
            return f"Do not release it: {headline(reasons[0])}. {_lane_step(reasons[0])}"
        places = {
            ReasonCode.LANGUAGE_LOST: ("language", "evaluate.other_languages"),
            ReasonCode.PRESET_LOST: ("preset", "presets"),
        }
        if (place := places.get(reasons[0].code)) is not None:
            kind, section = place
            name = reasons[0].values[kind]
            return (
                f"Do not release it: {headline(reasons[0])}. Score it with {name} in {section}, or write "
                f"`{kind} {name}` into gate.retired."
            )
        return f"Do not release it: {headline(reasons[0])}. Listen first to {', '.join(worst_prompts[:3])}."
    if outcome == "pass":
        is_first = any(reason.code == ReasonCode.FIRST_RELEASE for reason in reasons)
        step = "Listen to it, then promote it as the first release." if is_first else "Promote it."
        closed = [reason.slice for reason in reasons if reason.code in NOT_SERVED]
        return f"{step} It will not be served in {', '.join(closed)}." if closed else step
    steps = []
    if any(reason.code == ReasonCode.NO_CHAMPION for reason in reasons):
        steps.append("request a first release, because there is no champion")
    steps += _comparison_steps(reasons)
    for reason in reasons:
        if reason.code == ReasonCode.REGRESSED_PROMPTS_UNCLEAR:
            steps.append(f"score with {reason.values['min_seeds']} seeds to tell regressed prompts from bad draws")
        elif reason.code == ReasonCode.TOO_FEW_VOTES:
            n_votes = reason.values["n_candidate"] + reason.values["n_champion"]
            steps.append(f"collect {plural(reason.values['min_votes'] - n_votes, 'vote')}")
        elif reason.code == ReasonCode.VOTES_UNCLEAR:
            steps.append("collect more votes")
        elif reason.code == ReasonCode.LANGUAGE_NOT_SCORED:
            steps.append(
                f"add {reason.values['language']} to evaluate.other_languages and score again, or remove its rules"
            )
        elif reason.code == ReasonCode.LANGUAGE_WITHOUT_RULES:
            steps.append(f"write rules for {reason.values['language']} into gate.other_languages")
        elif reason.code == ReasonCode.PRESET_NOT_SCORED:
            steps.append(f"add {reason.values['preset']} to presets and score again, or remove its rules")
        elif reason.code == ReasonCode.PRESET_WITHOUT_RULES:
            steps.append(f"write rules for {reason.values['preset']} into gate.presets")
        elif reason.code == ReasonCode.LANE_UNCLEAR:
            steps.append(f"raise evaluate.lanes.{reason.values['lane']}.n_seeds and score both again")
    return "To decide: " + "; ".join(steps) + "."


def _lane_step(reason: Reason) -> str:
    name = reason.values["lane"]
    return (
        f"Make a version that passes in it, or take the lane out of service: remove {name} from evaluate.lanes and "
        f"gate.lanes, and write `lane {name}` into gate.retired."
    )


def _comparison_steps(reasons: Sequence[Reason]) -> list[str]:
    """Return how to decide what is unclear: with more prompts or seeds, else with listeners."""
    unclear = [
        reason for reason in reasons if reason.code in (ReasonCode.COMPARISON_UNCLEAR, ReasonCode.IMPROVEMENT_UNCLEAR)
    ]
    decidable = [reason for reason in unclear if reason.values["more_prompts"] is not None]
    undecidable = [reason for reason in unclear if reason.values["more_prompts"] is None]
    steps = []
    if decidable:
        names = " and ".join(map(_question, decidable))
        n_prompts = max(reason.values["more_prompts"] for reason in decidable)
        seeds = [reason.values["more_seeds"] for reason in decidable]
        by_seeds = "" if None in seeds else f" or {plural(max(seeds), 'seed')}"
        steps.append(f"add {plural(n_prompts, 'prompt')}{by_seeds} to decide {names}")
    if undecidable:
        names = " and ".join(map(_question, undecidable))
        steps.append(f"let listeners decide {names} (too close to the margin even for ten times the prompts)")
    return steps


def _question(reason: Reason) -> str:
    name = METRIC_NAMES[reason.metric] + (f" in {reason.slice}" if reason.slice else "")
    return f"whether {name} is better" if reason.code == ReasonCode.IMPROVEMENT_UNCLEAR else name

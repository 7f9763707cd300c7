"""The gate with presets other than the voice's default one: each has rules and reasons of its own, see parts.py.

A preset is judged by its own prompts alone. Candidate and champion are compared in it by what is heard: its settings
may differ, because a change of a preset is what the comparison is about.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metrics.scores import PresetScores, Scorecard
from registry.gate.decision import Outcome, PresetDecision
from registry.gate.parts import PartKind, PartResult, decide_parts
from registry.gate.policy import GatePolicy
from registry.gate.reasons.codes import ReasonCode

PRESET = PartKind(
    "preset",
    lost=ReasonCode.PRESET_LOST,
    not_scored=ReasonCode.PRESET_NOT_SCORED,
    without_rules=ReasonCode.PRESET_WITHOUT_RULES,
    new=ReasonCode.PRESET_NEW,
    retired=ReasonCode.PRESET_RETIRED,
)


def decide_presets(
    candidate: Scorecard, champion: Scorecard | None, *, policy: GatePolicy, recordings: Mapping[str, float]
) -> tuple[PartResult, ...]:
    """Check every preset besides the voice's default one that the candidate, the champion or the policy names.

    Args:
        candidate: Complete scores of the candidate.
        champion: Scores of the champion that compare with them, or None.
        policy: The rules of each preset.
        recordings: Pooled figures of the held-out recordings by metric, empty where there are none.
    """
    return decide_parts(
        PRESET,
        _by_name(candidate),
        None if champion is None else _by_name(champion),
        policies={name: policy.for_part(rules) for name, rules in policy.presets.items()},
        retired=policy.retired,
        recordings=recordings,
        make_record=_record,
    )


def _by_name(card: Scorecard) -> dict[str, PresetScores]:
    return {part.name: part for part in card.presets}


def _record(part: PresetScores, fields: dict[str, Any], outcome: Outcome) -> PresetDecision:
    return PresetDecision(name=part.name, settings_sha256=part.settings_sha256, outcome=outcome, **fields)

"""The gate in languages other than the voice's own: each has rules, checks and reasons of its own, see parts.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metrics.scores import LanguageScores, Scorecard
from registry.gate.decision import LanguageDecision, Outcome
from registry.gate.parts import PartKind, PartResult, decide_parts
from registry.gate.policy import GatePolicy
from registry.gate.reasons.codes import ReasonCode

LANGUAGE = PartKind(
    "language",
    lost=ReasonCode.LANGUAGE_LOST,
    not_scored=ReasonCode.LANGUAGE_NOT_SCORED,
    without_rules=ReasonCode.LANGUAGE_WITHOUT_RULES,
    new=ReasonCode.LANGUAGE_NEW,
    retired=ReasonCode.LANGUAGE_RETIRED,
)


def decide_languages(
    candidate: Scorecard, champion: Scorecard | None, *, policy: GatePolicy, recordings: Mapping[str, float]
) -> tuple[PartResult, ...]:
    """Check every language besides the voice's own that the candidate, the champion or the policy names.

    Args:
        candidate: Complete scores of the candidate.
        champion: Scores of the champion that compare with them, or None.
        policy: The rules of each language.
        recordings: Pooled figures of the held-out recordings by metric, empty where there are none.
    """
    return decide_parts(
        LANGUAGE,
        _by_language(candidate),
        None if champion is None else _by_language(champion),
        policies={
            language: policy.for_part(rules)
            for language, rules in policy.other_languages.items()
            if language != candidate.language
        },
        retired=policy.retired,
        recordings=recordings,
        make_record=_record,
    )


def _by_language(card: Scorecard) -> dict[str, LanguageScores]:
    return {part.language: part for part in card.other_languages}


def _record(part: LanguageScores, fields: dict[str, Any], _: Outcome) -> LanguageDecision:
    return LanguageDecision(
        language=part.language, normalizer=part.normalizer, normalizer_version=part.normalizer_version, **fields
    )

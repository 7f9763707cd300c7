"""Drift: the same voice, scored again, does not score the same. Pure functions of two scorecards.

Nothing of the voice has changed, so the environment has (the voice speaks other bytes) or a judge has (it scores the
same bytes differently). Either makes earlier scores incomparable with new ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from metrics.scores import SECOND_OPINIONS, SMALLER_IS_BETTER, Scorecard, UtteranceScore, pooled
from registry.gate.part_kinds import LANGUAGE, PART_KINDS

NORMALIZER = ("normalizer", "normalizer_version")
# Columns that say where a sound comes from. All others but second opinions say what a judge measured
ORIGIN_COLUMNS = frozenset({"audio", "audio_sha256", "prompt_id", "category", "seed"})


@dataclass(frozen=True)
class Drift:
    """What changed since a version was scored, in sentences. All are empty where nothing changed."""

    judge: tuple[str, ...]  # other judges, or another score for the same bytes
    environment: tuple[str, ...]  # other bytes from the same weights and seeds
    questions: tuple[str, ...]  # other prompts or seeds: then figures cannot be compared at all
    figures: dict[str, tuple[float, float]]  # name -> (then, now)

    @property
    def findings(self) -> tuple[str, ...]:
        """Return every sentence, those first that forbid a comparison."""
        return (*self.questions, *self.judge, *self.environment)


def find_drift(then: Scorecard, now: Scorecard) -> Drift:
    """Compare the scorecard of a version with one that was made of the same version later."""
    questions = _changed_fields(then, now, ("prompts_sha256", "seeds"))
    judge, pairs = [], _pair_rows(then.rows, now.rows)
    for kind in PART_KINDS:
        later = kind.by_name(now)
        for name, part in kind.by_name(then).items():
            if (same := later.get(name)) is None:
                questions.append(
                    f"the {kind.slice_of(name)} was scored then and is not scored now; {kind.setting} in params.yaml "
                    "lacks it"
                )
                continue
            where = kind.where.format(name)
            questions += [f"{where}, {each}" for each in _changed_fields(part, same, ("prompts_sha256", "seeds"))]
            if kind == LANGUAGE:
                judge += [f"{where}, {each}" for each in _changed_fields(part, same, NORMALIZER)]
            pairs += _pair_rows(part.rows, same.rows)
    judges_then, judges_now = then.judges.model_dump(), now.judges.model_dump()
    judge += [
        f"{name} was {judges_then[name]} and is {judges_now[name]}"
        for name in judges_then
        if judges_then[name] != judges_now[name]
    ]
    n_changed_audio = sum(old.audio_sha256 != new.audio_sha256 for old, new in pairs)
    n_changed_scores = sum(
        old.audio_sha256 == new.audio_sha256 and _measured_columns(old) != _measured_columns(new)
        for old, new in [*pairs, *_pair_rows(then.held_out, now.held_out)]
    )
    if n_changed_scores:
        judge.append(f"{n_changed_scores} recordings or utterances with the same bytes got another score")
    environment = []
    if n_changed_audio:
        environment.append(
            f"{n_changed_audio} of {len(pairs)} utterances are other bytes than when the version was scored"
        )
    before, after = pooled(then.rows), pooled(now.rows)
    figures = {name: (before[name], after[name]) for name in SMALLER_IS_BETTER}
    return Drift(tuple(judge), tuple(environment), tuple(questions), figures)


def find_degradations(drift: Drift, margins: dict[str, float]) -> list[str]:
    """Return a sentence for each figure that became worse by more than its margin or can no longer be measured.

    Args:
        drift: What changed.
        margins: The largest loss that is tolerated, by figure, in the figure's unit.
    """
    sentences = []
    for name, margin in margins.items():
        then, now = drift.figures[name]
        loss = now - then if SMALLER_IS_BETTER[name] else then - now
        if not loss <= margin and not (math.isnan(then) and math.isnan(now)):
            sentences.append(f"{name} was {then:.4f} and is {now:.4f}, more than the margin of {margin:.4f} worse")
    return sentences


def _changed_fields(then: object, now: object, names: Sequence[str]) -> list[str]:
    values = [(name, getattr(then, name), getattr(now, name)) for name in names]
    return [f"{name} then and now differ ({_short(old)} and {_short(new)})" for name, old, new in values if old != new]


def _pair_rows(
    then: tuple[UtteranceScore, ...], now: tuple[UtteranceScore, ...]
) -> list[tuple[UtteranceScore, UtteranceScore]]:
    """Return the rows of the same prompt and seed, as (then, now)."""
    later = {(row.prompt_id, row.seed): row for row in now}
    return [(row, later[row.prompt_id, row.seed]) for row in then if (row.prompt_id, row.seed) in later]


def _measured_columns(row: UtteranceScore) -> dict[str, object]:
    return row.model_dump(exclude={*ORIGIN_COLUMNS, *SECOND_OPINIONS})


def _short(value: object) -> str:
    return f"{value[:12]}..." if isinstance(value, str) and len(value) > 12 else str(value)

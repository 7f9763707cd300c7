"""Drift: the same voice, scored again, does not score the same. Pure functions of two scorecards.

Nothing of the voice has changed, so what moved is the environment (it speaks other bytes) or the judge (it hears the
same bytes otherwise). Either makes earlier scores incomparable with new ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from metrics.scores import SMALLER_IS_BETTER, Scorecard, UtteranceScore, pooled

# What a row says about a sound, apart from where it came from
OF_THE_SOUND = frozenset({"audio", "audio_sha256", "prompt_id", "category", "seed"})


@dataclass(frozen=True)
class Drift:
    """What changed since a version was scored, in sentences; empty where all is as it was."""

    judge: tuple[str, ...]  # other judges, or another answer to the same bytes
    environment: tuple[str, ...]  # other bytes from the same weights and seeds
    questions: tuple[str, ...]  # other prompts or seeds: then figures cannot be compared at all
    figures: dict[str, tuple[float, float]]  # name -> (then, now)

    @property
    def findings(self) -> tuple[str, ...]:
        return (*self.questions, *self.judge, *self.environment)


def find_drift(then: Scorecard, now: Scorecard) -> Drift:
    """Compare the scorecard of a version with one that was made of the same version later."""
    questions = [
        f"{name} then and now differ ({_short(getattr(then, name))} and {_short(getattr(now, name))})"
        for name in ("prompts_sha256", "seeds")
        if getattr(then, name) != getattr(now, name)
    ]
    judges_then, judges_now = then.judges.model_dump(), now.judges.model_dump()
    judge = [
        f"{name} was {judges_then[name]} and is {judges_now[name]}"
        for name in judges_then
        if judges_then[name] != judges_now[name]
    ]
    pairs = _pairs(then.rows, now.rows)
    spoken_otherwise = [old for old, new in pairs if old.audio_sha256 != new.audio_sha256]
    heard_otherwise = [
        old
        for old, new in [*pairs, *_pairs(then.held_out, now.held_out)]
        if old.audio_sha256 == new.audio_sha256 and _of_the_sound(old) != _of_the_sound(new)
    ]
    if heard_otherwise:
        judge.append(f"{len(heard_otherwise)} recordings or utterances with the same bytes got another score")
    environment = []
    if spoken_otherwise:
        environment.append(
            f"{len(spoken_otherwise)} of {len(pairs)} utterances are other bytes than when the version was scored"
        )
    before, after = pooled(then.rows), pooled(now.rows)
    figures = {name: (before[name], after[name]) for name in SMALLER_IS_BETTER}
    return Drift(tuple(judge), tuple(environment), tuple(questions), figures)


def moved_for_the_worse(drift: Drift, margins: dict[str, float]) -> list[str]:
    """A sentence for each figure that became worse by more than its margin, or that can no longer be measured."""
    sentences = []
    for name, margin in margins.items():
        then, now = drift.figures[name]
        loss = now - then if SMALLER_IS_BETTER[name] else then - now
        if not loss <= margin and not (math.isnan(then) and math.isnan(now)):
            sentences.append(f"{name} was {then:.4f} and is {now:.4f}, more than the margin of {margin:.4f} worse")
    return sentences


def _pairs(
    then: tuple[UtteranceScore, ...], now: tuple[UtteranceScore, ...]
) -> list[tuple[UtteranceScore, UtteranceScore]]:
    """Rows of the same prompt and seed."""
    later = {(row.prompt_id, row.seed): row for row in now}
    return [(row, later[row.prompt_id, row.seed]) for row in then if (row.prompt_id, row.seed) in later]


def _of_the_sound(row: UtteranceScore) -> dict[str, object]:
    return row.model_dump(exclude=set(OF_THE_SOUND))


def _short(value: object) -> str:
    return f"{value[:12]}..." if isinstance(value, str) else str(value)

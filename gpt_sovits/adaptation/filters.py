"""Clips that are too long, too short or too dense to learn from, each dropped with its reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

N_SHOWN = 3  # reasons in an error message

Clip = TypeVar("Clip")


class DroppedClip(NamedTuple):
    clip_id: str
    reason: str


class Limit(NamedTuple):
    """What a clip must lie within: measure(clip) in [low, high], both in `unit`."""

    unit: str
    measure: Callable[[Any], float]
    low: float
    high: float


def within_limits(clips: Sequence[Clip], limits: Sequence[Limit]) -> tuple[list[Clip], list[DroppedClip]]:
    """(clips within all limits in their order, the others with every reason); clips have a clip_id."""
    kept, dropped = [], []
    for clip in clips:
        reasons = [
            f"{limit.measure(clip):.4g} {limit.unit}, allowed are {limit.low:g} to {limit.high:g}"
            for limit in limits
            if not limit.low <= limit.measure(clip) <= limit.high
        ]
        if reasons:
            dropped.append(DroppedClip(clip.clip_id, "; ".join(reasons)))
        else:
            kept.append(clip)
    return kept, dropped


def usable_clips(
    train: Sequence[Clip], held_out: Sequence[Clip], limits: Sequence[Limit], max_dropped_share: float, what: str
) -> tuple[list[Clip], list[Clip], list[DroppedClip]]:
    """(training clips, held-out clips, those of either that are outside the limits).

    what: begins the messages, and is the section of params.yaml that holds the limits
    Raises ValueError where no training clip is left or more than max_dropped_share of all clips were dropped.
    """
    if not train:
        raise ValueError(f"{what}: no clips to train on; the features stage must keep at least one training clip")
    (kept, dropped), (kept_held_out, dropped_held_out) = within_limits(train, limits), within_limits(held_out, limits)
    dropped += dropped_held_out
    n = len(train) + len(held_out)
    if not kept or len(dropped) > max_dropped_share * n:
        shown = "; ".join(f"{clip.clip_id}: {clip.reason}" for clip in dropped[:N_SHOWN])
        more = "; ..." if len(dropped) > N_SHOWN else ""
        raise ValueError(
            f"{what}: {len(dropped)} of {n} clips are outside the limits; at most a share of {max_dropped_share:g} may "
            f"be, and a training clip must be left ({shown}{more}); mend the clips or widen the limits in the section "
            f"{what} of params.yaml"
        )
    return kept, kept_held_out, dropped

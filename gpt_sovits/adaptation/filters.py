"""Clips that are too long, too short or too dense to train on, each dropped with its reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

N_SHOWN = 3  # reasons in an error message

Clip = TypeVar("Clip")


class DroppedClip(NamedTuple):
    """A clip that is not trained on, and why."""

    clip_id: str
    reason: str


class Limit(NamedTuple):
    """A range that a clip must lie in: measure(clip) in [low, high], both in `unit`."""

    unit: str
    measure: Callable[[Any], float]
    low: float
    high: float


def within_limits(clips: Sequence[Clip], limits: Sequence[Limit]) -> tuple[list[Clip], list[DroppedClip]]:
    """Split clips into those within all limits, in their order, and the others with every reason."""
    kept, dropped = [], []
    for clip in clips:
        reasons = [
            f"{limit.measure(clip):.4g} {limit.unit}, allowed: {limit.low:g} to {limit.high:g}"
            for limit in limits
            if not limit.low <= limit.measure(clip) <= limit.high
        ]
        if reasons:
            dropped.append(DroppedClip(clip.clip_id, "; ".join(reasons)))
        else:
            kept.append(clip)
    return kept, dropped


def usable_clips(
    train: Sequence[Clip], held_out: Sequence[Clip], limits: Sequence[Limit], max_dropped_share: float, section: str
) -> tuple[list[Clip], list[Clip], list[DroppedClip]]:
    """Return (training clips, held-out clips, dropped clips of either).

    Args:
        train: the training clips.
        held_out: the held-out clips.
        limits: what every clip must lie in.
        max_dropped_share: largest share of all clips that may be dropped, in [0, 1].
        section: section of params.yaml that holds the limits. Messages begin with it.

    Raises:
        ValueError: no training clip is left, or too many clips were dropped.
    """
    if not train:
        raise ValueError(f"{section}: no clips to train on; the features stage must keep at least one training clip")
    (kept, dropped), (kept_held_out, dropped_held_out) = within_limits(train, limits), within_limits(held_out, limits)
    dropped += dropped_held_out
    n = len(train) + len(held_out)
    if not kept or len(dropped) > max_dropped_share * n:
        shown = "; ".join(f"{clip.clip_id}: {clip.reason}" for clip in dropped[:N_SHOWN])
        more = "; ..." if len(dropped) > N_SHOWN else ""
        raise ValueError(
            f"{section}: {len(dropped)} of {n} clips are outside the limits ({shown}{more}); at most a share of "
            f"{max_dropped_share:g} may be, and one training clip must be left: correct the clips or widen the limits "
            f"in the section {section} of params.yaml"
        )
    return kept, kept_held_out, dropped

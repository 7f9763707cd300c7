"""Bars: pooled figures against fixed limits, and against the voice's own held-out recordings under the same judges."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from registry.gate.policy import Bar, GatePolicy, SliceBars
from registry.gate.tables import ScoreTable
from registry.verdicts.verdict import Bound, SmallSlice


def hold_bars(policy: GatePolicy, scores: ScoreTable, recordings: Mapping[str, float]) -> tuple[Bound, ...]:
    """Every bar on all prompts. recordings: the pooled figures of the held-out recordings, {} for none."""
    everything = np.ones(len(scores.prompt_ids), dtype=bool)
    return tuple(_hold(bar, "", scores, everything, recordings) for bar in policy.bars)


def hold_slice_bars(
    policy: GatePolicy, scores: ScoreTable, recordings: Mapping[str, float]
) -> tuple[tuple[Bound, ...], tuple[SmallSlice, ...]]:
    """Every bar on a slice, and the slices that are too small for theirs."""
    bounds, small = [], []
    for part in policy.slices:
        for name, prompts in slices_of(part, scores):
            n_prompts = int(prompts.sum())
            if n_prompts < part.min_prompts:
                small.append(SmallSlice(slice=name, n_prompts=n_prompts, min_prompts=part.min_prompts))
            else:
                bounds += [_hold(bar, name, scores, prompts, recordings) for bar in part.bars]
    return tuple(bounds), tuple(small)


def slices_of(part: SliceBars, scores: ScoreTable) -> Iterator[tuple[str, np.ndarray]]:
    """The slices that a policy's entry speaks of: name and mask (n_prompts,) bool. A named one may be empty."""
    values = scores.labels[part.by]
    for value in sorted(set(values.tolist())) if part.only is None else [part.only]:
        yield f"{part.by} {value}", values == value


def _hold(bar: Bar, name: str, scores: ScoreTable, prompts: np.ndarray, recordings: Mapping[str, float]) -> Bound:
    figure, real = scores.figure(bar.metric, prompts), recordings.get(bar.metric, math.nan)
    value = {
        "value": figure,
        "recordings_share": figure / real if real else math.nan,
        "above_recordings": figure - real,
    }
    value = round(value[bar.of], 12)  # the last rounding errors of a sum would miss a bar that is met exactly
    # `value <= limit` and not `value > limit`: a NaN misses the bar
    direction = "at_most" if bar.at_most is not None else "at_least"
    return Bound(
        slice=name,
        n_prompts=int(prompts.sum()),
        metric=bar.metric,
        of=bar.of,
        figure=figure,
        recordings=None if bar.of == "value" else real,
        value=value,
        limit=bar.limit,
        direction=direction,
        unit=bar.unit,
        reason=bar.reason,
        holds=value <= bar.limit if direction == "at_most" else value >= bar.limit,
    )

"""Check pooled figures against the policy's thresholds, plain or relative to the voice's held-out recordings."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from registry.gate.decision import SmallSlice, ThresholdCheck
from registry.gate.policy import GatePolicy, SliceThresholds, Threshold
from registry.gate.tables import ScoreTable


def check_thresholds(
    policy: GatePolicy, scores: ScoreTable, *, recordings: Mapping[str, float], slice_name: str = ""
) -> tuple[ThresholdCheck, ...]:
    """Check every threshold on all prompts.

    Args:
        policy: Gives the thresholds.
        scores: The candidate's.
        recordings: The pooled figures of the held-out recordings by metric, empty where there are none.
        slice_name: How the scores are named, such as `language zh`. Empty for the voice's own language.
    """
    everything = np.ones(len(scores.prompt_ids), dtype=bool)
    return tuple(
        _check(threshold, scores, prompts=everything, slice_name=slice_name, recordings=recordings)
        for threshold in policy.thresholds
    )


def check_slice_thresholds(
    policy: GatePolicy, scores: ScoreTable, *, recordings: Mapping[str, float]
) -> tuple[tuple[ThresholdCheck, ...], tuple[SmallSlice, ...]]:
    """Check every threshold on a slice, and list the slices that are too small to be checked.

    Args:
        policy: Gives the slices and their thresholds.
        scores: The candidate's.
        recordings: The pooled figures of the held-out recordings by metric, empty where there are none.
    """
    checks, small_slices = [], []
    for part in policy.slices:
        for name, prompts in slices_in(part, scores):
            n_prompts = int(prompts.sum())
            if n_prompts < part.min_prompts:
                small_slices.append(SmallSlice(slice=name, n_prompts=n_prompts, min_prompts=part.min_prompts))
                continue
            checks += [
                _check(threshold, scores, prompts=prompts, slice_name=name, recordings=recordings)
                for threshold in part.thresholds
            ]
    return tuple(checks), tuple(small_slices)


def slices_in(part: SliceThresholds, scores: ScoreTable) -> Iterator[tuple[str, np.ndarray]]:
    """Yield name and mask (n_prompts,) bool of each slice that a policy's entry covers. A named slice may be empty."""
    labels = scores.labels[part.by]
    for label in sorted(set(labels.tolist())) if part.only is None else [part.only]:
        yield f"{part.by} {label}", labels == label


def _check(
    threshold: Threshold,
    scores: ScoreTable,
    *,
    prompts: np.ndarray,
    slice_name: str,
    recordings: Mapping[str, float],
) -> ThresholdCheck:
    figure = scores.figure(threshold.metric, prompts)
    of_recordings = recordings.get(threshold.metric, math.nan)
    if threshold.scale == "ratio":
        value = figure / of_recordings if of_recordings else math.nan
    elif threshold.scale == "difference":
        value = figure - of_recordings
    else:
        value = figure
    value = round(value, 12)  # the last rounding errors of a sum would miss a threshold that is met exactly
    direction = "at_most" if threshold.at_most is not None else "at_least"
    return ThresholdCheck(
        slice=slice_name,
        n_prompts=int(prompts.sum()),
        metric=threshold.metric,
        relative_to=threshold.relative_to,
        scale=threshold.scale,
        figure=figure,
        recordings=None if threshold.relative_to is None else of_recordings,
        value=value,
        threshold=threshold.value,
        direction=direction,
        unit=scores.unit(threshold),
        reason=threshold.reason,
        # `value <= threshold` and not `value > threshold`: a NaN misses the threshold
        met=value <= threshold.value if direction == "at_most" else value >= threshold.value,
    )

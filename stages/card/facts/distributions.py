"""Histograms of clips and recordings, in minutes of sound: what was kept, and what was refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

N_BINS = 24


class Value(NamedTuple):
    """One value of a figure.

    Attributes:
        value: the figure of a clip or a recording.
        seconds: the length of that clip or recording.
        is_kept: whether later stages use it.
    """

    value: float
    seconds: float
    is_kept: bool


class Bin(NamedTuple):
    """One bar: a range of values with the seconds of sound that were kept and refused. The last range is closed."""

    low: float
    high: float
    kept_seconds: float
    refused_seconds: float


@dataclass(frozen=True, kw_only=True)
class Axis:
    """A figure that is shown as a histogram.

    Attributes:
        name: its name in figures.json.
        title: its name on the page.
        unit: its unit, empty for none.
        meaning: one line for a reader who is new to it.
        of: what has the value: clip or recording.
        value_of: returns the value, None where it was not measured.
        low: where the axis begins. Smaller values count in the first bin.
        high: where the axis ends. Larger values count in the last bin.
        value_format: how one value is written.
    """

    name: str
    title: str
    unit: str
    meaning: str
    of: str
    value_of: Callable[[Any], float | None]
    low: float
    high: float
    value_format: str = "{:.1f}"


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """The histogram of one figure. Its median and percentiles weigh each value with the length of its sound.

    Attributes:
        axis: the figure.
        n: number of values.
        n_unmeasured: clips or recordings without a value.
        median: of what was kept, or of everything where nothing was.
        low: 5th percentile of the same.
        high: 95th percentile of the same.
        bins: bars of equal width.
        is_beyond: whether a value lies above the axis, in the last bin.
    """

    axis: Axis
    n: int
    n_unmeasured: int
    median: float
    low: float
    high: float
    bins: tuple[Bin, ...]
    is_beyond: bool


def distribution(axis: Axis, items: Sequence[tuple[Any, float, bool]]) -> Distribution | None:
    """Return the histogram of a figure, or None where no item has a value.

    Args:
        axis: the figure.
        items: (clip or recording, its seconds, whether it was kept).
    """
    values = [
        Value(value, seconds, is_kept)
        for item, seconds, is_kept in items
        if (value := axis.value_of(item)) is not None and math.isfinite(value)
    ]
    if not values:
        return None
    shown = [one for one in values if one.is_kept] or values
    low, median, high = (weighted_quantile(shown, share) for share in (0.05, 0.5, 0.95))
    return Distribution(
        axis=axis,
        n=len(values),
        n_unmeasured=len(items) - len(values),
        median=median,
        low=low,
        high=high,
        bins=_bins(axis, values),
        is_beyond=any(one.value > axis.high for one in values),
    )


def weighted_quantile(values: Sequence[Value], share: float) -> float:
    """Return the smallest value up to which at least `share` of the sound lies.

    Args:
        values: at least one.
        share: 0 to 1.
    """
    ordered = sorted(values)
    lengths = np.cumsum([one.seconds for one in ordered])
    place = int(np.searchsorted(lengths, share * lengths[-1]))
    return ordered[min(place, len(ordered) - 1)].value


def _bins(axis: Axis, values: Sequence[Value]) -> tuple[Bin, ...]:
    width = (axis.high - axis.low) / N_BINS
    seconds = np.zeros((N_BINS, 2))
    for one in values:
        place = min(N_BINS - 1, max(0, int((one.value - axis.low) / width)))
        seconds[place, 0 if one.is_kept else 1] += one.seconds
    return tuple(
        Bin(axis.low + n * width, axis.low + (n + 1) * width, float(kept), float(refused))
        for n, (kept, refused) in enumerate(seconds)
    )

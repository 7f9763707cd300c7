"""Histograms of the utterances, for the candidate, the champion and the recordings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import NamedTuple

from metrics.scores import UtteranceScore

N_BINS = 20


class Axis(NamedTuple):
    """What a histogram shows, and how its values are written."""

    title: str
    value_of: Callable[[UtteranceScore], float | None]
    low: float
    high: float
    value_format: str
    tick_format: str


AXES = (
    Axis("Word error rate", lambda row: row.word_errors / row.n_words, 0.0, 1.0, "{:.0%}", "{:.0%}"),
    Axis("Speaker similarity", lambda row: row.similarity, 0.0, 1.0, "{:.2f}", "{:.2f}"),
    Axis("Length (1× is what the text needs)", lambda row: row.duration_ratio, 0.0, 2.0, "{:.2f}×", "{:.1f}×"),
)


def distributions(series: Mapping[str, Sequence[UtteranceScore]]) -> list[dict]:
    """Return one entry per axis, with one histogram for each series with values.

    A bar is a share of its own series, because the series differ in their number of utterances. All series of an axis
    have the same scale: height 1 is the fullest bin of any. Values outside an axis count in its outermost bin.
    """
    return [_plot(axis, series) for axis in AXES]


def _plot(axis: Axis, series: Mapping[str, Sequence[UtteranceScore]]) -> dict:
    values = {who: [v for row in rows if (v := axis.value_of(row)) is not None] for who, rows in series.items()}
    bins = {who: _shares(known, axis.low, axis.high) for who, known in values.items() if known}
    top = max((max(shares) for shares in bins.values()), default=1.0)
    return {
        "title": axis.title,
        "ticks": [axis.tick_format.format(axis.low + (axis.high - axis.low) * part / 4) for part in range(5)],
        "beyond": any(value > axis.high for known in values.values() for value in known),
        "series": [
            {
                "who": who,
                "n": len(values[who]),
                "median": axis.value_format.format(median(values[who])),
                "bars": [
                    {"height": share / top, "share": share, "range": _bin_range(axis, n)}
                    for n, share in enumerate(shares)
                ],
            }
            for who, shares in bins.items()
        ],
    }


def _bin_range(axis: Axis, n: int) -> str:
    step = (axis.high - axis.low) / N_BINS
    low, high = (axis.value_format.format(axis.low + edge * step) for edge in (n, n + 1))
    return f"{low} to {high}"


def _shares(values: Sequence[float], low: float, high: float) -> list[float]:
    """Return the share of the values in each of N_BINS bins of equal width."""
    counts = [0] * N_BINS
    for value in values:
        counts[min(N_BINS - 1, max(0, int((value - low) / (high - low) * N_BINS)))] += 1
    return [count / len(values) for count in counts]

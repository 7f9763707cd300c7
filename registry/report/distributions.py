"""Histograms of the utterances: how many of them lie where, for the candidate, the champion and the recordings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from metrics.scores import UtteranceScore

N_BINS = 20
# title -> (the value of a row or None, lowest, highest value of the axis, how a value is written)
AXES: Mapping[str, tuple[Callable[[UtteranceScore], float | None], float, float, str]] = {
    "Word mistakes (WER)": (lambda row: row.word_errors / row.n_words, 0.0, 1.0, "{:.0%}"),
    "Likeness (cosine similarity)": (lambda row: row.similarity, 0.0, 1.0, "{:.2f}"),
    "Length against what the text needs": (lambda row: row.duration_ratio, 0.0, 2.0, "{:.2f}×"),
}


def distributions(series: Mapping[str, Sequence[UtteranceScore]]) -> list[dict]:
    """One entry an axis with one histogram a series that has values.

    Values outside an axis are counted in its outermost bin. Heights are shares of the series' fullest bin over all
    series, because the series differ in their number of utterances: each bar is the share of its own utterances.
    """
    shown = []
    for title, (value_of, low, high, form) in AXES.items():
        values = {who: [v for row in rows if (v := value_of(row)) is not None] for who, rows in series.items()}
        bins = {who: _shares(some, low, high) for who, some in values.items() if some}
        top = max((max(shares) for shares in bins.values()), default=1.0)
        ticks = [low + (high - low) * part / 4 for part in range(5)]
        shown.append(
            {
                "title": title,
                "ticks": [form.format(tick) for tick in ticks],
                "beyond": any(v > high for some in values.values() for v in some),
                "series": [
                    {
                        "who": who,
                        "n": len(values[who]),
                        "median": form.format(_median(values[who])),
                        "bars": [
                            {
                                "height": share / top,
                                "share": share,
                                "range": f"{form.format(low + n * step)} to {form.format(low + (n + 1) * step)}",
                            }
                            for step in [(high - low) / N_BINS]
                            for n, share in enumerate(shares)
                        ],
                    }
                    for who, shares in bins.items()
                ],
            }
        )
    return shown


def _shares(values: Sequence[float], low: float, high: float) -> list[float]:
    """(N_BINS,) share of the values in each bin of equal width."""
    counts = [0] * N_BINS
    for value in values:
        counts[min(N_BINS - 1, max(0, int((value - low) / (high - low) * N_BINS)))] += 1
    return [count / len(values) for count in counts]


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2

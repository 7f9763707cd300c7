"""The geometry of the card's charts, which the template draws as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from stages.card.advice.curves import MeasuredPoint

WIDTH, HEIGHT = 640.0, 250.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 12.0, 14.0, 30.0  # margins of the curves
MINUTE_TICKS = (0.25, 0.5, 1, 2, 4, 8, 15, 30, 60)


class Place(NamedTuple):
    """A measured point in the picture, with its interval from `low` to `high` on the y axis."""

    x: float
    y: float
    low: float
    high: float
    title: str


class Tick(NamedTuple):
    """A mark on an axis."""

    place: float
    text: str


class CurveChart(NamedTuple):
    """A figure over training minutes, one line per measured voice.

    Attributes:
        title: what the figure is.
        lines: the places of each voice, by its name.
        x_ticks: marks in minutes, on a logarithmic axis.
        y_ticks: marks of the figure.
        here: where the voice of the card is on the x axis, None where that is outside of the picture.
    """

    title: str
    lines: dict[str, tuple[Place, ...]]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    here: float | None


def curve_chart(
    title: str, figure: str, points: Sequence[MeasuredPoint], minutes: float, *, as_percent: bool
) -> CurveChart | None:
    """Return the chart of a column of the curves, or None where fewer than two points were measured.

    The base before adaptation, at 0 minutes, has no place on a logarithmic axis and is left out.

    Args:
        title: what the figure is.
        figure: its column.
        points: the measured curves.
        minutes: training minutes of the voice of the card.
        as_percent: whether the figure is written as percent.
    """
    points = [point for point in points if point.minutes > 0]
    if len(points) < 2:
        return None
    first, last = (math.log2(edge(point.minutes for point in points)) for edge in (min, max))
    first, last = first - 0.25, last + 0.25
    low = min(getattr(point, f"{figure}_low") for point in points)
    high = max(getattr(point, f"{figure}_high") for point in points)
    step = _step(high - low)
    low, high = step * math.floor(low / step), step * math.ceil(high / step)

    def across(value: float) -> float:
        return LEFT + (math.log2(value) - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    def down(value: float) -> float:
        return HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    def written(value: float) -> str:
        return f"{value:.0%}" if as_percent else f"{value:.2f}"

    lines: dict[str, tuple[Place, ...]] = {}
    for voice in sorted({point.voice for point in points}):
        lines[voice] = tuple(
            Place(
                across(point.minutes),
                down(getattr(point, figure)),
                down(getattr(point, f"{figure}_low")),
                down(getattr(point, f"{figure}_high")),
                f"{voice}, {point.minutes:g} min: {written(getattr(point, figure))}",
            )
            for point in points
            if point.voice == voice
        )
    ticks = [tick for tick in MINUTE_TICKS if first <= math.log2(tick) <= last]
    n_steps = round((high - low) / step)
    is_inside = minutes > 0 and first <= math.log2(minutes) <= last
    return CurveChart(
        title,
        lines,
        tuple(Tick(across(tick), f"{tick:g} min") for tick in ticks),
        tuple(Tick(down(low + n * step), written(low + n * step)) for n in range(n_steps + 1)),
        across(minutes) if is_inside else None,
    )


def _step(span: float) -> float:
    """Return a round distance of ticks, three to six of which are in the span."""
    rough = max(span, 1e-3) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)

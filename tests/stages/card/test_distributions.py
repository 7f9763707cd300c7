"""Histograms count seconds of sound, and quantiles weigh them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.card.facts.distributions import N_BINS, Axis, Value, distribution, weighted_quantile

AXIS = Axis(name="x", title="X", unit="s", meaning="", of="clips", value_of=lambda item: item, low=0.0, high=10.0)
ITEMS = st.lists(st.tuples(st.none() | st.floats(-5, 20), st.floats(0.1, 30), st.booleans()), min_size=1, max_size=40)


@settings(deadline=None)
@given(ITEMS)
def test_bars_hold_all_sound_that_was_measured(items):
    shown = distribution(AXIS, items)
    measured = [(seconds, is_kept) for value, seconds, is_kept in items if value is not None]
    if not measured:
        assert shown is None
        return
    assert sum(bar.kept_seconds for bar in shown.bins) == pytest.approx(sum(s for s, kept in measured if kept))
    assert sum(bar.refused_seconds for bar in shown.bins) == pytest.approx(sum(s for s, kept in measured if not kept))
    assert (shown.n, shown.n + shown.n_unmeasured, len(shown.bins)) == (len(measured), len(items), N_BINS)
    assert shown.low <= shown.median <= shown.high


def test_the_median_is_that_of_the_kept_sound_and_weighs_its_length():
    shown = distribution(AXIS, [(1.0, 1.0, True), (2.0, 10.0, True), (9.0, 99.0, False)])
    assert (shown.low, shown.median, shown.high) == (1.0, 2.0, 2.0)


def test_values_outside_the_axis_are_in_its_outermost_bars():
    shown = distribution(AXIS, [(-3.0, 1.0, True), (12.0, 2.0, True)])
    assert (shown.bins[0].kept_seconds, shown.bins[-1].kept_seconds) == (1.0, 2.0)


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 9), st.floats(0.1, 9)), min_size=1), st.floats(0, 1))
def test_a_quantile_is_one_of_the_values_with_its_share_of_the_sound_up_to_it(pairs, share):
    values = [Value(value, seconds, True) for value, seconds in pairs]
    found = weighted_quantile(values, share)
    up_to = sum(one.seconds for one in values if one.value <= found)
    assert found in {one.value for one in values}
    assert up_to >= share * sum(one.seconds for one in values) - 1e-6

"""How many more prompts or seeds would decide: properties that hold for all scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.gate.sample_size import MAX_FACTOR, LossVariances, extra_samples, loss_variances
from registry.gate.tables import ScoreTable

SPREAD = st.floats(0.001, 0.1)
GAP = st.floats(0.005, 0.1)


def extra(gap: float, between: float, within: float, n_prompts: int = 100, n_seeds: int = 3, level: float = 0.05):
    """Return the extra prompts and seeds, None as infinity."""
    found = extra_samples(gap, LossVariances(n_prompts, n_seeds, between, within), level=level)
    return tuple(float("inf") if number is None else number for number in found)


@given(GAP, GAP, SPREAD, SPREAD)
def test_a_loss_nearer_to_its_margin_never_needs_fewer(gap, other, between, within):
    near, far = sorted((gap, other))
    assert all(a >= b for a, b in zip(extra(near, between, within), extra(far, between, within), strict=True))


@given(GAP, SPREAD, SPREAD, SPREAD)
def test_more_variance_never_needs_fewer(gap, between, within, more):
    least = extra(gap, between, within)
    assert all(a >= b for a, b in zip(extra(gap, between + more, within), least, strict=True))
    assert all(a >= b for a, b in zip(extra(gap, between, within + more), least, strict=True))


@given(GAP, SPREAD, SPREAD, st.integers(1, 8))
def test_more_seeds_of_the_prompts_there_are_never_need_more_prompts(gap, between, within, n_seeds):
    assert extra(gap, between, within, n_seeds=n_seeds + 1)[0] <= extra(gap, between, within, n_seeds=n_seeds)[0]


@given(GAP, SPREAD, SPREAD)
def test_a_stricter_level_never_needs_fewer(gap, between, within):
    strict, mild = (extra(gap, between, within, level=level) for level in (0.01, 0.05))
    assert all(a >= b for a, b in zip(strict, mild, strict=True))


@given(GAP, SPREAD, SPREAD)
def test_advice_is_at_least_one_and_at_most_ten_times_what_there_is(gap, between, within):
    prompts, seeds = extra_samples(gap, LossVariances(100, 3, between, within), level=0.05)
    assert prompts is None or 1 <= prompts <= (MAX_FACTOR - 1) * 100
    assert seeds is None or 1 <= seeds <= (MAX_FACTOR - 1) * 3


def test_prompts_that_differ_by_themselves_are_not_helped_by_seeds():
    prompts, seeds = extra_samples(0.02, LossVariances(100, 3, between=0.02, within=0.0001), level=0.05)
    assert prompts > 0 and seeds is None


def test_no_number_decides_a_loss_at_the_margin_itself():
    assert extra_samples(0.0, LossVariances(100, 3, 0.01, 0.01), level=0.05) == (None, None)


def tables(between: float, within: float, n_prompts: int, n_seeds: int) -> tuple[ScoreTable, ScoreTable]:
    """Return candidate and champion whose similarity differs by chance with these variances."""
    generator, shape = np.random.default_rng(0), (n_prompts, n_seeds)
    nothing = np.zeros(shape)
    similarity = np.sqrt(between) * generator.normal(size=(n_prompts, 1)) + np.sqrt(within) * generator.normal(
        size=shape
    )
    return tuple(
        ScoreTable((), {}, nothing, nothing + 1, nothing, nothing + 1, figure, nothing > 0, nothing > 0)
        for figure in (similarity, nothing)
    )


def test_variances_are_those_that_made_the_scores():
    seen = loss_variances(*tables(0.04, 0.09, n_prompts=4000, n_seeds=4), metric="similarity")
    assert (seen.between, seen.within) == (pytest.approx(0.04, rel=0.1), pytest.approx(0.09, rel=0.1))


def test_one_seed_shows_nothing_about_others():
    seen = loss_variances(*tables(0.04, 0.09, n_prompts=4000, n_seeds=1), metric="similarity")
    assert seen.between == pytest.approx(0.13, rel=0.1) and seen.within == 0
    assert extra_samples(0.02, seen, level=0.05)[1] is None

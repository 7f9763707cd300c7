"""The statistics of the gate, part by part. How often the whole is right: tests/benchmarks/test_gate_oc.py."""

from __future__ import annotations

import numpy as np
import pytest

from registry.gate.noninferiority import Bootstrap, holm, paired_loss


def loss_of(losses: np.ndarray, weights: np.ndarray, n_resamples: int) -> Bootstrap:
    """Return the bootstrap of a loss against a champion without errors."""
    return paired_loss(losses, np.zeros(len(losses)), weights=weights, n_resamples=n_resamples, seed=0).loss


def test_bound_and_p_value_say_the_same():
    generator = np.random.default_rng(4)
    for _ in range(20):
        losses, weights = generator.normal(0.1, 1.0, 40), generator.uniform(5, 20, 40)
        loss = loss_of(losses, weights, 2000)
        for level in (0.05, 0.025):
            for margin in np.linspace(-0.1, 0.2, 7):
                assert (loss.upper(level) < margin) == (loss.p_below(margin) <= level) or (
                    # a resample of 2,000 may lie between the quantile and the margin
                    abs(loss.p_below(margin) - level) < 0.002
                )


def test_loss_without_any_difference_is_certain():
    loss = loss_of(np.zeros(20), np.full(20, 10.0), 1000)
    assert loss.value == 0 and loss.upper(0.05) == 0 and loss.power(0.02, 0.05) == 1
    assert loss.p_below(0.02) < 0.01 and loss.p_above(0.02) == 1


def test_loss_equal_to_the_margin_is_not_below_it():
    loss = loss_of(np.full(20, 0.2), np.full(20, 10.0), 1000)
    assert loss.value == pytest.approx(0.02) and loss.p_below(0.02) > 0.05


def test_prompts_are_resampled_and_not_utterances():
    # each prompt's seeds agree: 3 copies of 20 prompts know no more than 20 prompts
    generator = np.random.default_rng(5)
    losses, weights = generator.normal(0, 1, 20), np.full(20, 10.0)
    tripled, single = loss_of(3 * losses, 3 * weights, 2000), loss_of(losses, weights, 2000)
    assert tripled.upper(0.05) == pytest.approx(single.upper(0.05))


@pytest.mark.parametrize(
    ("p_values", "expected"),
    [
        ([0.01, 0.04], [(0.025, True), (0.05, True)]),
        ([0.04, 0.01], [(0.05, True), (0.025, True)]),
        ([0.03, 0.04], [(0.025, False), (0.05, False)]),
        ([0.01, 0.06], [(0.025, True), (0.05, False)]),
        ([0.04], [(0.05, True)]),
    ],
)
def test_holm_stops_at_the_first_test_that_misses_its_level(p_values, expected):
    assert holm(p_values, 0.05) == [(pytest.approx(level), shown) for level, shown in expected]


def test_margin_that_grows_with_the_champion_is_resampled_with_it():
    generator = np.random.default_rng(6)
    champion, weights = generator.integers(0, 6, 50).astype(float), np.full(50, 10.0)
    paired = paired_loss(champion + 1, champion, weights=weights, n_resamples=2000, seed=0)
    assert paired.margin(0.02, 0.0) == 0.02
    assert paired.margin(0.02, 0.5) == pytest.approx(0.5 * champion.sum() / 500)
    beyond = paired.beyond(0.02, 0.5)
    assert beyond.value == pytest.approx(0.1 - 0.5 * champion.sum() / 500)
    # the loss is 0.1 whatever the prompts; the margin is not
    assert paired.loss.resampled.std() == pytest.approx(0, abs=1e-12) and beyond.resampled.std() > 0


def test_loss_of_a_figure_that_should_be_large_has_the_other_sign():
    figures = np.full(20, 0.7), np.full(20, 0.8)
    settings = {"weights": np.ones(20), "n_resamples": 1000, "seed": 0}
    assert paired_loss(*figures, **settings, larger_is_better=True).loss.value == pytest.approx(0.1)
    assert paired_loss(*figures, **settings).loss.value == pytest.approx(-0.1)


def test_same_seed_draws_the_same_prompts_for_every_metric():
    generator = np.random.default_rng(7)
    losses, weights = generator.normal(0, 1, 30), np.full(30, 10.0)
    first, second = loss_of(losses, weights, 3000), loss_of(2 * losses, weights, 3000)
    np.testing.assert_allclose(second.resampled, 2 * first.resampled, atol=1e-12)

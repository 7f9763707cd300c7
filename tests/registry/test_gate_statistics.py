"""How often the gate is right: simulated pairs at 60 prompts x 3 seeds with errors in bursts."""

from __future__ import annotations

import numpy as np
import pytest
from release_helpers import FLOOR, JUDGES, PAIR, policy

from metrics.scores import Scorecard, UtteranceScore
from registry.gate import judge
from registry.noninferiority import holm, paired_loss

N_PROMPTS, SEEDS = 60, (0, 1, 2)
MARGIN = 0.02
SLIP, BURST = 0.018, 0.005  # chance of a wrong word; chance of an utterance that loses 15-60 % of its words
# A candidate with this many times the chances of an error is worse by the margin (test_simulated_loss_is_the_margin)
WORSE = 2.03


def errors(generator: np.random.Generator, words: np.ndarray, difficulty: np.ndarray, factor: float) -> np.ndarray:
    """Word errors of each (prompt, seed): single slips, and now and then a swallowed clause."""
    shape = (len(words), len(SEEDS))
    slips = generator.binomial(words[:, None], np.clip(SLIP * factor * difficulty[:, None], 0, 1), shape)
    burst = generator.random(shape) < BURST * factor * difficulty[:, None]
    lost = np.round(generator.uniform(0.15, 0.6, shape) * words[:, None]).astype(int)
    return np.where(burst, np.maximum(slips, lost), slips)


def prompts(generator: np.random.Generator, n_prompts: int) -> tuple[np.ndarray, np.ndarray]:
    """Words of each prompt and its difficulty (mean 1), which both candidates share."""
    return generator.integers(4, 25, n_prompts), generator.gamma(2, 0.5, n_prompts)


def card(generator: np.random.Generator, words: np.ndarray, wrong: np.ndarray, likeness: np.ndarray) -> Scorecard:
    """The scorecard of simulated errors; built without checks, for speed."""
    heard = np.clip(likeness[:, None] + generator.normal(0, 0.03, wrong.shape), -1, 1).tolist()
    rows = tuple(
        UtteranceScore.model_construct(
            prompt_id=f"p{prompt:03d}",
            category="simulated",
            language="en",
            seed=seed,
            reference="x",
            hypothesis="x",
            word_errors=int(wrong[prompt, seed]),
            n_words=int(words[prompt]),
            char_errors=0,
            n_chars=1,
            similarity=heard[prompt][seed],
            similarity_held_out=heard[prompt][seed],
            mos=None,
            seconds=1.0,
            duration_ratio=1.0,
            silence_share=0.1,
            clipped_share=0.0,
            pitch_range_semitones=8.0,
            failures=(),
            audio="a",
            audio_sha256="a",
        )
        for prompt in range(len(words))
        for seed in SEEDS
    )
    return Scorecard.model_construct(
        voice="anna",
        pair=PAIR,
        judges=JUDGES,
        prompts_sha256="e" * 64,
        seeds=SEEDS,
        rows=rows,
        held_out=(),
        similarity_floor=FLOOR,
        mos_judge="",
    )


def outcomes(factor: float, n_pairs: int, seed: int) -> dict[str, float]:
    """Shares of the outcomes over simulated pairs of which the candidate makes `factor` times the champion's errors."""
    generator = np.random.default_rng(seed)
    rules = policy(min_prompts=N_PROMPTS, n_resamples=1000)
    found = []
    for _ in range(n_pairs):
        words, difficulty = prompts(generator, N_PROMPTS)
        likeness = generator.normal(0.75, 0.05, N_PROMPTS)
        champion = card(generator, words, errors(generator, words, difficulty, 1.0), likeness)
        candidate = card(generator, words, errors(generator, words, difficulty, factor), likeness)
        found.append(judge(candidate, champion, rules).outcome)
    return {outcome: found.count(outcome) / n_pairs for outcome in ("pass", "inconclusive", "fail")}


def test_simulated_loss_is_the_margin():
    generator = np.random.default_rng(0)
    words, difficulty = prompts(generator, 400_000)
    rate = {k: errors(generator, words, difficulty, k).sum() / (words.sum() * len(SEEDS)) for k in (1.0, WORSE)}
    assert rate[WORSE] - rate[1.0] == pytest.approx(MARGIN, abs=0.0003)


def test_equal_candidate_passes_nine_times_in_ten():
    shares = outcomes(factor=1.0, n_pairs=300, seed=1)
    assert shares["pass"] >= 0.9
    assert shares["fail"] <= 0.01


def test_candidate_worse_by_the_margin_passes_at_most_one_time_in_twenty():
    shares = outcomes(factor=WORSE, n_pairs=400, seed=2)
    assert shares["pass"] <= 0.05
    assert shares["fail"] <= 0.05  # nor is it shown worse than the margin, for it is not


def test_candidate_far_worse_fails():
    assert outcomes(factor=5.0, n_pairs=30, seed=3)["fail"] >= 0.95


# the parts


def test_bound_and_p_value_say_the_same():
    generator = np.random.default_rng(4)
    for _ in range(20):
        losses, weights = generator.normal(0.1, 1.0, 40), generator.uniform(5, 20, 40)
        loss = paired_loss(losses, weights, 2000, 0)
        for level in (0.05, 0.025):
            for margin in np.linspace(-0.1, 0.2, 7):
                assert (loss.upper(level) < margin) == (loss.p_below(margin) <= level) or (
                    # a resample of 2,000 may lie between the quantile and the margin
                    abs(loss.p_below(margin) - level) < 0.002
                )


def test_loss_without_any_difference_is_certain():
    loss = paired_loss(np.zeros(20), np.full(20, 10.0), 1000, 0)
    assert loss.value == 0 and loss.upper(0.05) == 0 and loss.power(0.02, 0.05) == 1
    assert loss.p_below(0.02) < 0.01 and loss.p_above(0.02) == 1


def test_loss_equal_to_the_margin_is_not_below_it():
    loss = paired_loss(np.full(20, 0.2), np.full(20, 10.0), 1000, 0)
    assert loss.value == pytest.approx(0.02) and loss.p_below(0.02) > 0.05


def test_prompts_are_resampled_and_not_utterances():
    # each prompt's seeds agree: 3 copies of 20 prompts know no more than 20 prompts
    generator = np.random.default_rng(5)
    losses, weights = generator.normal(0, 1, 20), np.full(20, 10.0)
    tripled, single = paired_loss(3 * losses, 3 * weights, 2000, 0), paired_loss(losses, weights, 2000, 0)
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

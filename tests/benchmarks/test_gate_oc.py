"""How often the gate is right, with few pairs. benchmarks/gate_oc/RESULTS.md has all figures."""

from __future__ import annotations

import json

import numpy as np
import pytest
from release_helpers import JUDGES, PAIR

from benchmarks.gate_oc import IN_CLAUSES, TRUTHS, follow_advice, run_cell
from benchmarks.gate_oc_fit import fit
from benchmarks.gate_oc_voices import FITTED, LEVELS, Truth, block, margins_of, policy_of, rate, simulate
from metrics.scores import Scorecard, UtteranceScore, pooled
from registry.gate.checks import decide_outcome, run_checks
from registry.gate.deciding import decide
from registry.gate.tables import ScoreTable

IDENTICAL, WORSE, LESS_SIMILAR = TRUTHS
SIZE = {"n_prompts": 100, "n_seeds": 3, "n_resamples": 1000}


@pytest.mark.parametrize("level", LEVELS)
def test_identical_candidate_passes_nine_times_in_ten_and_is_hardly_ever_refused(level):
    shares = run_cell(level, IDENTICAL, n_pairs=1000, **SIZE).shares
    assert shares["pass"] >= 0.9
    assert shares["fail"] <= 0.01


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("truth", [WORSE, LESS_SIMILAR, IN_CLAUSES], ids=lambda truth: truth.name)
def test_candidate_worse_by_the_margin_hardly_ever_passes(level, truth):
    cell = run_cell(level, truth, n_pairs=300, **SIZE)
    assert cell.shares["pass"] <= 0.08  # 5 % is promised; 24 of 300 are the most that chance makes of that


def test_candidate_far_worse_fails():
    assert run_cell("official", Truth("far worse", wer=5.0), n_pairs=50, **SIZE).shares["fail"] > 0.9


def test_bounds_contain_the_true_difference():
    cell = run_cell("starter", WORSE, n_pairs=300, **SIZE)
    assert set(cell.coverage) == {"wer lower", "wer upper", "similarity lower", "similarity upper"}
    assert min(cell.coverage.values()) >= 0.93  # 95 % is promised


def test_advice_decides_most_of_what_was_unclear():
    results = follow_advice("starter", Truth("half", wer=0.5), n_prompts=60, n_seeds=3, n_pairs=60)
    followed = {one.by: one for one in results}
    assert followed["prompts"].n_advised >= 5
    assert followed["prompts"].decided >= 0.5


@pytest.mark.parametrize("level", LEVELS)
def test_simulated_loss_is_the_margin(level):
    generator = np.random.default_rng(0)
    for truth in (WORSE, IN_CLAUSES):
        pairs = list(simulate(level, truth, n_prompts=200, n_seeds=3, n_pairs=400, generator=generator))
        loss = np.mean([candidate.figure("wer") - champion.figure("wer") for candidate, champion in pairs])
        assert loss == pytest.approx(margins_of(level)["wer"], rel=0.05)
    fitted = json.loads(FITTED.read_text(encoding="utf-8"))["simulated"]["WER"]
    assert rate(level, 1.0, LEVELS[level].clause) == pytest.approx(
        {"starter": fitted, "official": 0.022}[level], rel=0.1
    )


def test_fitting_a_simulated_voice_gives_its_level_back():
    generator = np.random.default_rng(0)
    size = {"n_prompts": 400, "n_seeds": 4, "n_pairs": 1, "generator": generator}
    (scores, _), *_ = simulate("starter", IDENTICAL, **size)
    found, known = fit(scorecard_of(scores)), LEVELS["starter"]
    assert found.wer == pytest.approx(known.wer, abs=0.08)
    assert (found.between, found.within) == pytest.approx((known.between, known.within), rel=0.3)
    assert found.similarity == pytest.approx(known.similarity, abs=0.01)
    assert found.similarity_within == pytest.approx(known.similarity_within, rel=0.1)


def test_a_scorecard_of_one_seed_is_refused():
    (scores, _), *_ = simulate(
        "starter", IDENTICAL, n_prompts=8, n_seeds=1, n_pairs=1, generator=np.random.default_rng(0)
    )
    with pytest.raises(ValueError, match="has 1 seed; score the voice with 2 or more"):
        fit(scorecard_of(scores))


def test_simulation_runs_the_checks_of_the_gate_itself():
    """Tables and the scorecards that they stand for have the same outcome."""
    policy = policy_of("starter").model_copy(update={"n_resamples": 1000, "min_prompts": 60})
    size = {"n_prompts": 60, "n_seeds": 3}
    ((voice, _),) = simulate("starter", IDENTICAL, **size, n_pairs=1, generator=np.random.default_rng(9))
    recordings = scorecard_of(block(voice, n_prompts=20, n_seeds=1)).rows
    seen = set()
    for truth in (IDENTICAL, WORSE, Truth("in between", wer=0.5)):
        for pair in simulate("starter", truth, **size, n_pairs=5, generator=np.random.default_rng(3)):
            checks = run_checks(policy, pair[0], champion=pair[1], recordings=pooled(recordings))
            cards = [scorecard_of(scores).model_copy(update={"held_out": recordings}) for scores in pair]
            decision = decide(*cards, policy=policy)
            assert decision.outcome == decide_outcome(checks, has_champion=True, first_release=False)
            assert (decision.comparisons, decision.regressed_prompts) == (checks.comparisons, checks.regressed_prompts)
            assert (decision.thresholds, decision.slice_thresholds) == (checks.thresholds, checks.slice_thresholds)
            seen.add(decision.outcome)
    assert len(seen) > 1


def scorecard_of(scores: ScoreTable) -> Scorecard:
    n_prompts, n_seeds = scores.failed.shape
    rows = [
        UtteranceScore.model_construct(
            prompt_id=scores.prompt_ids[prompt],
            category=str(scores.labels["category"][prompt]),
            language="en",
            seed=seed,
            reference="x",
            hypothesis="x",
            word_errors=int(scores.word_errors[prompt, seed]),
            n_words=int(scores.n_words[prompt, seed]),
            char_errors=int(scores.char_errors[prompt, seed]),
            n_chars=int(scores.n_chars[prompt, seed]),
            similarity=float(scores.similarity[prompt, seed]),
            seconds=1.0,
            duration_ratio=1.0,
            failures=("cut_off",) if scores.failed[prompt, seed] else (),
            audio="a",
            audio_sha256="a",
        )
        for prompt in range(n_prompts)
        for seed in range(n_seeds)
    ]
    return Scorecard.model_construct(
        voice="anna",
        language="en",
        pair=PAIR,
        judges=JUDGES,
        prompts_sha256="e" * 64,
        seeds=tuple(range(n_seeds)),
        rows=tuple(rows),
        held_out=tuple(rows[:1]),
        voice_embedding=(1.0, 0.0),
    )

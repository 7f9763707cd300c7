"""Prompts that the champion says and the candidate does not."""

from __future__ import annotations

import pytest
from release_helpers import policy, scorecard, with_prompt

from registry.gate.deciding import decide
from registry.gate.policy import GatePolicy

SEEDS = (0, 1, 2)


def guarded(**changes: object) -> GatePolicy:
    return policy(regressed_prompts={"at_most": 0, "min_seeds": 3, "reason": "x"} | changes)


def test_prompt_that_only_the_champion_says_fails_though_the_average_forgives_it():
    champion = scorecard(n_prompts=200, seeds=SEEDS)
    decision = decide(with_prompt(champion, 7, word_errors=7), champion, policy=guarded())
    assert [one.outcome for one in decision.comparisons] == ["not_worse", "not_worse"]
    assert decision.outcome == "fail"
    assert decision.regressed_prompts.regressed == ("p007",)
    reason = decision.reasons[0]
    assert (reason.code, reason.prompts, reason.values["n_regressed"]) == ("prompts_regressed", ("p007",), 1)
    assert (
        "too many regressed prompts: 1 prompt that the champion says and the candidate does not, "
        "at most 0 allowed (p007)" in reason.text
    )


@pytest.mark.parametrize(
    "change",
    [
        {"word_errors": 6},  # less than two words of three
        {"word_errors": 7, "seeds": (0, 1)},  # one seed says it
    ],
)
def test_prompt_that_is_half_said_has_not_regressed(change):
    champion = scorecard(n_prompts=200, seeds=SEEDS)
    decision = decide(with_prompt(champion, 7, **change), champion, policy=guarded())
    assert decision.regressed_prompts.regressed == ()


def test_prompt_that_the_champion_does_not_say_either_has_not_regressed():
    champion = with_prompt(scorecard(n_prompts=200, seeds=SEEDS), 7, seeds=(0,), word_errors=3)
    decision = decide(with_prompt(champion, 7, word_errors=9), champion, policy=guarded())
    assert decision.regressed_prompts.regressed == ()


def test_as_many_regressed_prompts_as_allowed_pass():
    champion = scorecard(n_prompts=200, seeds=SEEDS)
    assert decide(with_prompt(champion, 7, word_errors=7), champion, policy=guarded(at_most=1)).outcome == "pass"


def test_regressed_prompt_of_one_seed_is_inconclusive_and_a_silent_one_fails():
    champion = scorecard(n_prompts=100, seeds=(0,))
    decision = decide(with_prompt(champion, 7, word_errors=9), champion, policy=guarded())
    assert (decision.outcome, decision.regressed_prompts.outcome) == ("inconclusive", "unclear")
    assert "score with 3 seeds to tell regressed prompts from bad draws" in decision.advice
    silent = decide(with_prompt(champion, 7, word_errors=10, failures=("empty",)), champion, policy=guarded())
    assert silent.outcome == "fail"
    assert silent.reasons[0].causes[0].code == "silent_prompts"
    assert silent.reasons[0].text.startswith("silent (empty) in 1 prompt: ")

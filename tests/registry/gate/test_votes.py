"""Listeners' votes in the gate are part of Holm's family, and missing votes never pass."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from release_helpers import policy, scorecard

from registry.gate.deciding import decide
from registry.gate.policy import GatePolicy, Preference
from registry.gate.preference import PreferenceVotes
from registry.gate.votes import vote_p_values

RULE = Preference(min_votes=20, worse_than=0.4, reason="x")


def votes(won: int, lost: int, ties: int = 0) -> PreferenceVotes:
    return PreferenceVotes(n_candidate=won, n_champion=lost, n_ties=ties, n_listeners=3)


def listened() -> GatePolicy:
    return policy(preference=RULE.model_dump())


@pytest.mark.parametrize(
    ("seen", "outcome"),
    [
        (None, "inconclusive"),
        (votes(10, 5), "inconclusive"),  # fewer than min_votes
        (votes(19, 0, ties=30), "inconclusive"),  # ties do not count
        (votes(17, 17), "inconclusive"),
        (votes(40, 20), "pass"),
        (votes(8, 42), "fail"),
    ],
)
def test_votes_that_the_policy_asks_for_decide(seen, outcome):
    decision = decide(scorecard(), scorecard(), policy=listened(), votes=seen)
    assert decision.outcome == outcome
    assert [one.outcome for one in decision.comparisons] == ["not_worse", "not_worse"]


def test_missing_votes_are_a_reason_and_the_advice_says_how_many():
    decision = decide(scorecard(), scorecard(), policy=listened())
    assert decision.reasons[0].text.startswith("not enough evidence: 0 of 0 votes prefer the candidate")
    assert decision.reasons[0].code == "too_few_votes"
    assert decision.advice == "To decide: collect 20 votes."


def test_votes_that_the_policy_does_not_ask_for_change_nothing():
    assert decide(scorecard(), scorecard(), policy=policy(), votes=votes(0, 99)) == decide(
        scorecard(), scorecard(), policy=policy()
    )


def test_listeners_who_prefer_the_champion_are_the_reason():
    decision = decide(scorecard(), scorecard(), policy=listened(), votes=votes(8, 42, ties=2))
    assert decision.reasons[0].text.startswith(
        "listeners prefer the champion: 8 of 50 votes prefer the candidate (2 with"
    )
    assert decision.preference.share == 0.16 and decision.preference.high < 0.4


@given(st.integers(0, 80), st.integers(0, 80))
def test_votes_never_say_both_and_too_few_say_nothing(won, lost):
    p_not_worse, p_worse = vote_p_values(RULE, votes(won, lost))
    assert max(p_not_worse, p_worse) > 0.05
    if won + lost < RULE.min_votes:
        assert (p_not_worse, p_worse) == (1.0, 1.0)


@given(st.integers(0, 80), st.integers(0, 80))
def test_a_vote_more_for_the_candidate_never_counts_against_it(won, lost):
    less, more = (vote_p_values(RULE, votes(count, lost + RULE.min_votes)) for count in (won, won + 1))
    assert more[0] <= less[0] * (1 + 1e-9) and more[1] >= less[1] * (1 - 1e-9)


def test_gate_run_after_every_vote_is_wrong_at_most_as_often_as_it_promises():
    """A candidate is exactly as bad as the policy forbids, and listeners go on until the gate accepts it."""
    shown = {(won, n): vote_p_values(RULE, votes(won, n - won))[0] <= 0.05 for n in range(121) for won in range(n + 1)}
    won = np.cumsum(np.random.default_rng(0).random((2000, 120)) < RULE.worse_than, axis=1)
    wrong = np.mean([any(shown[(int(k), n)] for n, k in enumerate(run, start=1)) for run in won])
    assert 0.005 < wrong <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 2000)


def test_negative_votes_are_refused():
    with pytest.raises(ValueError, match="n_champion"):
        votes(1, -1)

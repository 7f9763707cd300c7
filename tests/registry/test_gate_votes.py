"""Listeners' votes in the gate: exact, part of Holm's family, and never a pass where they are missing."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from release_helpers import policy, scorecard

from registry.gate import judge
from registry.gate.votes import count_votes, p_values_of
from registry.policy import GatePolicy, Preference
from registry.preference import PreferenceVotes

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
        (votes(19, 0, ties=30), "inconclusive"),  # ties are no votes
        (votes(17, 17), "inconclusive"),
        (votes(40, 20), "pass"),
        (votes(10, 40), "fail"),
    ],
)
def test_votes_that_the_policy_asks_for_decide(seen, outcome):
    judgement = judge(scorecard(), scorecard(), listened(), votes=seen)
    assert judgement.outcome == outcome
    assert [one.outcome for one in judgement.comparisons] == ["not_worse", "not_worse"]


def test_missing_votes_are_a_reason_and_the_advice_says_how_many():
    judgement = judge(scorecard(), scorecard(), listened())
    assert judgement.reasons[0].startswith("not enough evidence: 0 of 0 votes prefer the candidate")
    assert judgement.advice == "To decide: collect 20 votes."


def test_votes_that_the_policy_does_not_ask_for_change_nothing():
    assert judge(scorecard(), scorecard(), policy(), votes=votes(0, 99)) == judge(scorecard(), scorecard(), policy())


def test_listeners_who_prefer_the_champion_are_the_reason():
    judgement = judge(scorecard(), scorecard(), listened(), votes=votes(10, 40, ties=2))
    assert judgement.reasons[0].startswith("listeners prefer the champion: 10 of 50 votes prefer the candidate (2 with")
    assert judgement.preference.share == 0.2 and judgement.preference.high < 0.4


@given(st.integers(0, 60), st.integers(0, 60))
def test_p_values_are_those_of_the_binomial_summed_by_hand(won, lost):
    n = won + lost
    p_not_worse, p_worse = p_values_of(RULE, votes(won, lost))
    if n < RULE.min_votes:
        assert (p_not_worse, p_worse) == (1.0, 1.0)
        return
    chance = [math.comb(n, k) * 0.4**k * 0.6 ** (n - k) for k in range(n + 1)]
    assert p_not_worse == pytest.approx(sum(chance[won:]))
    assert p_worse == pytest.approx(sum(chance[: won + 1]))


@given(st.integers(0, 60), st.integers(0, 60))
def test_bounds_of_the_share_agree_with_the_test(won, lost):
    checked = count_votes(RULE, votes(won, lost), 0.05, False, False)
    assert 0 <= checked.low <= checked.high <= 1
    if won + lost >= RULE.min_votes:
        assert (checked.low > 0.4) == (checked.p_not_worse < 0.05)
        assert (checked.high < 0.4) == (checked.p_worse < 0.05)


def test_negative_votes_are_refused():
    with pytest.raises(ValueError, match="n_champion"):
        votes(1, -1)

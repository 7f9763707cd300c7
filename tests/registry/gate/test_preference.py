"""The sequential test of blind votes: its errors under optional stopping, its power, its symmetry."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.gate.preference import LEVEL, PreferenceVotes, p_above, p_below, preference_test, share_bounds

COUNTS = st.integers(0, 400)


def votes(won: int, lost: int, ties: int = 0) -> PreferenceVotes:
    return PreferenceVotes(n_candidate=won, n_champion=lost, n_ties=ties, n_listeners=1)


def claims(chance: float, n_runs: int, n_votes: int) -> dict[str, float]:
    """Return the share of listenings that claim a preference after any vote.

    `chance` is the probability that a vote is for the candidate.
    """
    proven = {
        (won, n): preference_test(votes(won, n - won)).preferred for n in range(n_votes + 1) for won in range(n + 1)
    }
    drawn = np.random.default_rng(0).random((n_runs, n_votes)) < chance
    won = np.cumsum(drawn, axis=1)
    found = {"candidate": 0, "champion": 0}
    for run in won:
        first = next(filter(None, (proven[(int(k), n)] for n, k in enumerate(run, start=1))), None)
        if first:
            found[first] += 1
    return {side: count / n_runs for side, count in found.items()}


def test_stopping_at_the_first_claim_is_wrong_at_most_as_often_as_the_level():
    found = claims(0.5, n_runs=4000, n_votes=200)
    slack = 2 * math.sqrt(LEVEL * (1 - LEVEL) / 4000)
    assert found["candidate"] <= LEVEL + slack
    assert found["champion"] <= LEVEL + slack
    assert found["candidate"] + found["champion"] > 0.01  # the simulation does reach claims


def test_a_worse_candidate_is_claimed_to_be_preferred_even_less_often():
    assert claims(0.4, n_runs=2000, n_votes=150)["candidate"] <= LEVEL / 2


def test_a_preference_of_three_to_one_is_found_within_sixty_votes():
    found = claims(0.75, n_runs=1000, n_votes=60)
    assert found["candidate"] > 0.8
    assert found["champion"] < 0.01


def test_expected_evidence_without_a_preference_is_one_at_any_fixed_number_of_votes():
    for n in (1, 7, 40, 150):
        mean = sum(math.comb(n, k) * preference_test(votes(k, n - k)).e_candidate for k in range(n + 1)) / 2**n
        assert mean == pytest.approx(1.0, rel=1e-9)


def test_evidence_agrees_with_the_integral_worked_out_by_hand():
    # 3 votes of 4: 2 * 2^4 * integral of p^3 (1-p) from 1/2 to 1 = 32 * (p^4/4 - p^5/5) = 32 * 0.040625
    assert preference_test(votes(3, 1)).e_candidate == pytest.approx(1.3)
    assert preference_test(votes(0, 0)).e_candidate == pytest.approx(1.0)


def test_seven_votes_for_one_side_are_the_fewest_that_prove_anything():
    assert preference_test(votes(6, 0)).preferred is None
    assert preference_test(votes(7, 0)).preferred == "candidate"
    assert preference_test(votes(0, 7)).preferred == "champion"


@given(COUNTS, COUNTS, st.integers(0, 50))
def test_sides_exchanged_exchange_the_result_and_ties_move_nothing(won, lost, ties):
    test, swapped = preference_test(votes(won, lost, ties)), preference_test(votes(lost, won))
    swap = {"candidate": "champion", "champion": "candidate", None: None}
    assert test.preferred == swap[swapped.preferred]
    assert test.e_candidate == pytest.approx(swapped.e_champion)
    assert test.share_low == pytest.approx(1 - swapped.share_high, abs=1e-6)


@given(COUNTS, COUNTS)
def test_share_lies_inside_its_interval_and_a_proven_side_has_the_larger_share(won, lost):
    test = preference_test(votes(won, lost))
    assert 0 <= test.share_low <= test.share_high <= 1
    if won + lost:
        assert test.share_low <= test.share <= test.share_high
    if test.preferred:
        assert (won > lost) == (test.preferred == "candidate")


def test_confidence_sequence_contains_the_true_share_at_every_look_as_often_as_it_promises():
    n_runs, n_votes, truth = 1000, 120, 0.65
    limits = {}
    for n in range(n_votes + 1):
        for won in range(n + 1):
            test = preference_test(votes(won, n - won))
            limits[(won, n)] = test.share_low <= truth <= test.share_high
    won = np.cumsum(np.random.default_rng(1).random((n_runs, n_votes)) < truth, axis=1)
    always = np.mean([all(limits[(int(k), n)] for n, k in enumerate(run, start=1)) for run in won])
    assert always >= 1 - LEVEL - 0.02


@pytest.mark.parametrize("share", [0.3, 0.4, 0.5])
def test_stopping_at_the_smallest_p_value_is_wrong_at_most_as_often_as_the_level(share):
    """The candidate's share is exactly `share`, so every claim that it is larger or smaller is wrong."""
    n_runs, n_votes = 2000, 120
    draws = np.random.default_rng(2).random((n_runs, n_votes)) < share
    won = np.cumsum(draws, axis=1)
    for p_value in (p_above, p_below):
        table = {(k, n): p_value(votes(k, n - k), share) for n in range(1, n_votes + 1) for k in range(n + 1)}
        smallest = [min(table[(int(k), n)] for n, k in enumerate(run, start=1)) for run in won]
        for level in (0.05, 0.2):
            slack = 3 * math.sqrt(level * (1 - level) / n_runs)
            assert np.mean(np.array(smallest) <= level) <= level + slack


@given(COUNTS, COUNTS)
def test_p_values_at_one_half_are_the_inverse_of_the_evidence(won, lost):
    test = preference_test(votes(won, lost))
    assert p_above(votes(won, lost), 0.5) == pytest.approx(min(1.0, 1 / max(test.e_candidate, 1e-300)))
    assert p_below(votes(won, lost), 0.5) == pytest.approx(min(1.0, 1 / max(test.e_champion, 1e-300)))


@given(COUNTS, COUNTS, st.floats(0.05, 0.95))
def test_p_values_lie_between_0_and_1_and_another_vote_for_the_candidate_favours_it(won, lost, share):
    before, after = votes(won, lost), votes(won + 1, lost)
    assert 0 <= p_above(after, share) <= p_above(before, share) <= 1
    assert 0 <= p_below(before, share) <= p_below(after, share) <= 1


@given(st.integers(0, 3000), st.integers(0, 3000), st.floats(0.001, 0.3))
def test_a_bound_is_the_share_at_which_the_p_value_is_the_level(won, lost, level):
    low, high = share_bounds(votes(won, lost), level)
    assert 0 <= low <= high <= 1
    if won:
        assert p_above(votes(won, lost), low) == pytest.approx(level, rel=1e-3)
        assert p_above(votes(won, lost), low / 2) < level
    if lost:
        assert p_below(votes(won, lost), high) == pytest.approx(level, rel=1e-3)
        assert p_below(votes(won, lost), (1 + high) / 2) < level


def test_a_huge_number_of_votes_gives_finite_evidence():
    test = preference_test(votes(100_000, 10))
    assert test.preferred == "candidate" and math.isfinite(test.e_candidate) and test.e_champion == 0.0


@pytest.mark.parametrize("level", [0.0, 1.0, -0.1, float("nan")])
def test_level_outside_0_and_1_is_refused(level):
    with pytest.raises(ValueError, match="level is"):
        preference_test(votes(1, 1), level)


def test_negative_counts_are_refused():
    with pytest.raises(ValueError, match="n_ties"):
        votes(1, 1, -1)

"""A word beside a passage that nobody says goes into the clip in which it is said."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.alignment.unheard_edges import MAX_WORDS, with_unheard_edges

UNITS = [(f"w{index}",) for index in range(20)]


def edges(shares: list[list[int]], said: dict[int, set[int]], units=UNITS) -> list[list[int]]:
    """Return the shares, where a clip finds only the tokens probable that are said in it."""
    return with_unheard_edges(shares, units, lambda clip, share: -10.0 * len(set(share) - said[clip]))


def test_words_that_are_said_are_taken_and_others_are_not() -> None:
    said = {0: {0, 1, 2, 3}, 1: {8, 9, 10, 11}}
    assert edges([[0, 1], [10, 11]], said) == [[0, 1, 2, 3], [8, 9, 10, 11]]
    assert edges([[0, 1], [10, 11]], {0: {0, 1}, 1: {10, 11}}) == [[0, 1], [10, 11]]
    assert edges([[0, 1], [3, 4]], {0: {0, 1, 2}, 1: {2, 3, 4}}) == [[0, 1, 2], [3, 4]]


def test_clips_without_a_place_in_the_text_take_nothing() -> None:
    everything = set(range(20))
    assert edges([[], [5, 3]], {0: everything, 1: everything}) == [[], [5, 3]]


def test_words_that_do_not_fit_are_left() -> None:
    assert with_unheard_edges([[0]], UNITS, lambda *_: -math.inf) == [[0]]


def test_a_token_that_is_not_spoken_ends_the_search() -> None:
    units = [("a",), (), ("b",)]
    assert edges([[0]], {0: {0, 1, 2}}, units) == [[0]]


@given(st.sets(st.integers(0, 19)), st.sets(st.integers(0, 19)), st.integers(1, 18))
def test_no_token_is_in_two_clips_and_few_are_added(left: set[int], right: set[int], border: int) -> None:
    shares = [sorted(one for one in left if one < border), sorted(one for one in right if one >= border)]
    found = edges(shares, {0: set(range(20)), 1: set(range(20))})
    assert len({index for share in found for index in share}) == sum(map(len, found))
    for share, before in zip(found, shares, strict=True):
        assert set(before) <= set(share) and share == sorted(share)
        assert len(share) - len(before) <= 2 * MAX_WORDS


@pytest.mark.parametrize("n_said", [1, MAX_WORDS, MAX_WORDS + 3])
def test_at_most_some_words_are_taken(n_said: int) -> None:
    assert len(edges([[0]], {0: set(range(n_said + 1))})[0]) == 1 + min(n_said, MAX_WORDS)

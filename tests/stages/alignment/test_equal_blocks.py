"""Equal passages of two long texts, and what they cost."""

from __future__ import annotations

import itertools
import random
import sys
from collections.abc import Callable
from functools import partial
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.alignment.anchoring import tokens_by_clip
from stages.alignment.equal_blocks import (
    MAX_OCCURRENCES,
    Block,
    common_runs,
    equal_and_different,
    equal_blocks,
    seeds,
)

TEXTS = st.lists(st.sampled_from("abcdef"), max_size=60)


@given(TEXTS, TEXTS)
def test_blocks_are_equal_go_forward_and_do_not_touch(first: list[str], second: list[str]) -> None:
    blocks = equal_blocks(first, second)
    for block in blocks:
        assert first[block.first : block.first + block.size] == second[block.second : block.second + block.size]
        assert block.size > 0
    for one, other in itertools.pairwise(blocks):
        gaps = (other.first - one.first - one.size, other.second - one.second - one.size)
        assert min(gaps) >= 0
        assert max(gaps) > 0


@given(TEXTS)
def test_a_text_is_one_block_with_itself(text: list[str]) -> None:
    assert equal_blocks(text, text) == ([Block(0, 0, len(text))] if text else [])


@given(TEXTS, TEXTS)
def test_equal_and_different_parts_are_all_of_both_texts(first: list[str], second: list[str]) -> None:
    parts = list(equal_and_different(equal_blocks(first, second), len(first), len(second)))
    assert [unit for a, b, _, _ in parts for unit in first[a:b]] == first
    assert [unit for _, _, a, b in parts for unit in second[a:b]] == second


def test_a_passage_in_another_place_is_a_common_run() -> None:
    assert common_runs(list("abcde"), list("xabcdye")) == [Block(0, 1, 4)]
    assert common_runs(list("abcde"), list("dcba")) == []
    assert common_runs(list("abcdxabcde"), list("abcdeyabcd")) == [Block(0, 0, 4), Block(5, 0, 5)]


@given(TEXTS, TEXTS)
def test_common_runs_are_equal_and_do_not_overlap_in_the_first_text(first: list[str], second: list[str]) -> None:
    end = 0
    for block in common_runs(first, second):
        assert first[block.first : block.first + block.size] == second[block.second : block.second + block.size]
        assert block.first >= end
        end = block.first + block.size


def test_a_refrain_gives_a_bounded_number_of_seeds() -> None:
    text = list("llllmn") * 500
    assert list(seeds(text, text)) == []
    once = list("abcdefg")
    found = list(seeds([*text, *once, *text], [*text, *once]))
    assert max(len(others) for _, others in found) <= MAX_OCCURRENCES
    assert found[-1][1] == [len(text) + len(once) - 4]


def count_lines(work: Callable[[], object]) -> int:
    """Return how many lines of Python are executed."""
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> object:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def speech(n_words: int, chance: random.Random) -> list[str]:
    """Words as frequent as in speech: the most common one is every tenth."""
    return [f"w{int(chance.paretovariate(0.4)) % 20_000}" for _ in range(n_words)]


def wrong_words(words: list[str], chance: random.Random) -> list[str]:
    return [
        other for word in words for other in chance.choices(([word], [], ["wrong"], [word, "extra"]), (17, 1, 1, 1))[0]
    ]


def without_the_first_third(words: list[str], chance: random.Random) -> list[str]:
    return words[len(words) // 3 :]


def in_another_order(words: list[str], chance: random.Random) -> list[str]:
    return [*words[len(words) // 2 :], *words[: len(words) // 2]]


def other_words(words: list[str], chance: random.Random) -> list[str]:
    return speech(len(words), chance)


def nothing_in_common(words: list[str], chance: random.Random) -> list[str]:
    return ["la"] * len(words)


def test_a_long_refrain_costs_as_much_per_word_as_a_short_one() -> None:
    def cost(n_verses: int) -> int:
        heard = [[*(f"verse{verse}" for _ in range(3)), *["la"] * 12] for verse in range(n_verses)]
        tokens = [[word] for words in heard for word in words]
        return count_lines(lambda: tokens_by_clip(tokens, heard, [6.0] * n_verses))

    assert cost(400) < 12 * cost(50)


@pytest.mark.parametrize(
    "change", [wrong_words, without_the_first_third, in_another_order, other_words, nothing_in_common]
)
def test_eight_times_the_text_costs_about_eight_times_as_much(
    change: Callable[[list[str], random.Random], list[str]],
) -> None:
    costs = []
    for n_words in (800, 6400):
        chance = random.Random(n_words)
        words = speech(n_words, chance)
        written = change(words, chance)
        heard = [words[index : index + 15] for index in range(0, len(words), 15)]
        tokens, seconds = [[word] for word in written], [6.0] * len(heard)
        costs.append(count_lines(partial(tokens_by_clip, tokens, heard, seconds)))
    assert costs[1] < 12 * costs[0], costs

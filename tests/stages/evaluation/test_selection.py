"""The choice of a checkpoint pair: the better half goes on, nothing is said twice, and the rule decides."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from release_helpers import utterance

from metrics.prompts import Prompt
from stages.evaluation.selection import choose_interpolation_weight, choose_pair, rank_pairs, rung_sizes
from stages.tables import CheckpointPairRow

PROMPTS = [
    Prompt(id=f"p{n:03d}", category="everyday", text=f"Line {'a' * n}.", normalized=f"line {'a' * n}")
    for n in range(1, 41)
]


class Scores:
    """Scores each pair with a fixed number of errors, and records what it was asked to say."""

    def __init__(self, errors: dict[tuple[int, int], int], similarity: dict[tuple[int, int], float] | None = None):
        self.errors, self.similarity = errors, similarity or {}
        self.asked: list[tuple[tuple[int, int], str]] = []

    def __call__(self, pair, prompts):
        self.asked += [(pair, prompt.id) for prompt in prompts]
        return [utterance(int(p.id[1:]), 0, self.errors[pair], self.similarity.get(pair, 0.8)) for p in prompts]


def row(gpt_epoch: int, sovits_epoch: int, wer: float, similarity: float | None = 0.8, failed: float = 0.0):
    return CheckpointPairRow(
        rung=1,
        n_prompts=8,
        gpt_epoch=gpt_epoch,
        sovits_epoch=sovits_epoch,
        wer=wer,
        cer=wer,
        similarity=similarity,
        failed_share=failed,
        kept=False,
    )


def best(rows) -> tuple[int, int]:
    first = rank_pairs(rows, 0.03)[0]
    return first.gpt_epoch, first.sovits_epoch


@settings(max_examples=60, deadline=None)
@given(st.permutations(range(12)), st.integers(1, 40))
def test_without_noise_the_pair_with_the_fewest_errors_is_chosen_and_nothing_is_said_twice(errors, n_prompts):
    pairs = list(product(range(1, 4), range(1, 5)))
    score = Scores(dict(zip(pairs, errors, strict=True)))
    chosen, rows = choose_pair(pairs, PROMPTS, n_prompts, 0.03, score)
    assert chosen == pairs[errors.index(0)]
    assert len(score.asked) == len(set(score.asked))
    last = max(row.rung for row in rows)
    assert [row.n_prompts for row in rows if row.rung == last] == [n_prompts] * 2


@given(st.integers(1, 300), st.integers(1, 100))
def test_rungs_grow_to_the_number_of_selection_prompts_and_leave_one_pair(n_pairs, n_prompts):
    sizes = rung_sizes(n_pairs, n_prompts)
    assert sizes == sorted(sizes) and sizes[-1] == n_prompts
    for _ in sizes:
        n_pairs = (n_pairs + 1) // 2
    assert n_pairs == 1


def test_a_pair_that_is_out_is_not_scored_again():
    pairs = [(1, n) for n in range(1, 9)]
    score = Scores({pair: pair[1] for pair in pairs})
    _, rows = choose_pair(pairs, PROMPTS, 16, 0.03, score)
    n_asked = {pair: sum(who == pair for who, _ in score.asked) for pair in pairs}
    assert [n_asked[pair] for pair in pairs] == [16, 16, 8, 8, 4, 4, 4, 4]
    assert [row.kept for row in rows if row.rung == 1] == [True] * 4 + [False] * 4


def test_one_pair_is_chosen_and_still_scored():
    chosen, rows = choose_pair([(1, 10)], PROMPTS, 16, 0.03, Scores({(1, 10): 3}))
    assert chosen == (1, 10)
    assert [(row.n_prompts, row.kept) for row in rows] == [(16, True)]


def test_more_prompts_than_there_are_means_all_of_them():
    _, rows = choose_pair([(1, 1), (1, 2)], PROMPTS, 200, 0.03, Scores({(1, 1): 0, (1, 2): 1}))
    assert {row.n_prompts for row in rows} == {len(PROMPTS)}


def test_fewer_failures_win_over_fewer_word_errors():
    assert best([row(1, 5, wer=0.1, failed=0.1), row(1, 10, wer=0.2)]) == (1, 10)


def test_equal_figures_go_to_the_earlier_epochs():
    assert best([row(2, 5, wer=0.1), row(1, 10, wer=0.1), row(1, 5, wer=0.1)]) == (1, 5)


@pytest.mark.parametrize("similarity", [0.7, None])
def test_a_pair_that_does_not_sound_like_the_speaker_loses_however_low_its_word_error_rate_is(similarity):
    assert best([row(1, 5, wer=0.01, similarity=similarity), row(1, 10, wer=0.2)]) == (1, 10)


def test_a_similarity_within_the_tolerance_does_not_matter():
    assert best([row(1, 5, wer=0.1, similarity=0.78), row(1, 10, wer=0.2)]) == (1, 5)


def weights_tried(
    before: float, best: float, *others: float, similarities=(0.8, 0.8, 0.8, 0.8), min_similarity=0.9
) -> list[tuple[float, bool]]:
    """(weight, whether it is chosen) of each weight that is tried.

    before: WER of the base; best: of the pair; others: of the pair with the weights 0.75, 0.5 and 0.25
    similarities: of the pair, and of the pair with those weights
    """
    weights = (0.75, 0.5, 0.25)
    errors = dict(zip(weights, (round(10 * wer) for wer in others), strict=False))
    whole, *rest = similarities
    similarity = dict(zip(weights, rest, strict=True))
    chosen, rows = choose_interpolation_weight(
        row(0, 0, wer=before, similarity=0.1),
        row(1, 10, wer=best, similarity=whole),
        weights,
        min_similarity,
        lambda weight: [utterance(1, 0, errors[weight], similarity[weight])],
    )
    assert [row.interpolation_weight for row in rows if row.kept] == ([chosen] if chosen < 1 else [])
    return [(row.interpolation_weight, row.kept) for row in rows]


def test_adaptation_that_does_not_raise_the_word_error_rate_is_kept_whole():
    assert weights_tried(0.3, 0.3) == []


def test_adaptation_that_raises_the_word_error_rate_is_interpolated_until_it_does_not():
    assert weights_tried(0.3, 0.5, 0.4, 0.3) == [(0.75, False), (0.5, True)]


def test_where_every_weight_raises_the_word_error_rate_the_lowest_rate_is_chosen():
    assert weights_tried(0.1, 0.5, 0.4, 0.2, 0.2) == [(0.75, False), (0.5, True), (0.25, False)]
    assert weights_tried(0.1, 0.3, 0.4, 0.5, 0.6) == [(0.75, False), (0.5, False), (0.25, False)]


def test_a_pair_that_sounds_like_the_speaker_is_interpolated_only_as_far_as_it_still_does():
    falling = {"similarities": (0.9, 0.8, 0.6, 0.3), "min_similarity": 0.75}
    assert weights_tried(0.1, 0.5, 0.4, 0.3, **falling) == [(0.75, True), (0.5, False)]  # and no further
    assert weights_tried(0.1, 0.3, 0.4, 0.2, **falling) == [(0.75, False), (0.5, False)]
    assert weights_tried(0.1, 0.5, 0.1, **falling) == [(0.75, True)]


def test_a_pair_that_does_not_sound_like_the_speaker_may_be_interpolated_as_far_as_needed():
    assert weights_tried(0.1, 0.5, 0.4, 0.3, 0.1, similarities=(0.7, 0.6, 0.4, 0.2), min_similarity=0.75)[-1] == (
        0.25,
        True,
    )
    assert weights_tried(0.1, 0.5, 0.1, similarities=(None, None, None, None), min_similarity=0.75) == [(0.75, True)]
    assert weights_tried(0.1, 0.5, 0.1, min_similarity=float("nan")) == [(0.75, True)]

"""The parts of the page: words with their errors, histograms and heat maps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from release_helpers import PAIR, utterance
from report_helpers import pairs

from registry.report.comparison import Word, compare_words
from registry.report.distributions import N_BINS, distributions
from registry.report.heat_maps import heat_maps, parse_pairs


def test_words_are_compared_in_order():
    assert compare_words("a b c d e f g h i", "a x y d f g h i j") == [
        Word("equal", "a", "a"),
        Word("substitute", "b", "x"),
        Word("substitute", "c", "y"),
        Word("equal", "d", "d"),
        Word("delete", "e", ""),
        Word("equal", "f g h i", "f g h i"),
        Word("insert", "", "j"),
    ]
    assert compare_words("one two", "") == [Word("delete", "one two", "")]


@given(st.lists(st.tuples(st.integers(0, 25), st.none() | st.floats(-1, 1), st.floats(0, 9)), min_size=1, max_size=40))
def test_every_utterance_is_counted_in_exactly_one_bin(values):
    rows = [
        utterance(n, 0, errors, similarity, duration_ratio=ratio)
        for n, (errors, similarity, ratio) in enumerate(values)
    ]
    for plot in distributions({"voice": rows}):
        for series in plot["series"]:
            assert len(series["bars"]) == N_BINS
            assert sum(bar["share"] for bar in series["bars"]) == pytest.approx(1.0)
            assert max(bar["height"] for bar in series["bars"]) == pytest.approx(1.0)
    unknown = sum(similarity is None for _, similarity, _ in values)
    similarities = distributions({"voice": rows})[1]["series"]
    assert sum(series["n"] for series in similarities) == len(rows) - unknown


def test_series_of_different_sizes_are_drawn_on_the_same_scale():
    words, *_ = distributions({"voice": [utterance(n, 0, 0) for n in range(30)], "real": [utterance(0, 0, 5)]})
    tall = [max(bar["height"] for bar in series["bars"]) for series in words["series"]]
    assert tall == [1.0, 1.0] and [series["median"] for series in words["series"]] == ["0%", "50%"]


def test_chosen_pair_is_outlined_and_a_missing_one_is_empty():
    for heat_map in heat_maps(pairs()[1:], PAIR):
        (first, second) = (row["cells"] for row in heat_map["rows"])
        assert [cell["there"] for cell in (*first, *second)] == [False, True, True, True]
        assert [cell["chosen"] for cell in (*first, *second)] == [False, False, False, True]
    assert heat_maps([], PAIR) == []


def test_pair_scored_in_several_rounds_counts_with_its_last():
    rows = [{**row, "rung": 0, "n_prompts": 8} for row in pairs()]
    rows.append({**rows[-1], "rung": 1, "n_prompts": 24, "wer": 0.123})
    for order in (rows, rows[::-1]):
        words, *_ = heat_maps(order, PAIR)
        cells = [cell for row in words["rows"] for cell in row["cells"]]
        assert [cell["n_prompts"] for cell in cells] == [8, 8, 8, 24]
        assert cells[-1]["value"] == 0.123
    same, *_ = heat_maps(rows[:4], PAIR)
    assert all(cell["n_prompts"] is None for row in same["rows"] for cell in row["cells"])  # all the same, so not shown


def test_base_model_is_named_beside_the_maps_and_not_in_them():
    base = {**pairs()[0], "gpt_epoch": 0, "sovits_epoch": 0, "wer": 0.9, "rung": 2}
    words, *_ = heat_maps([base, *pairs()], PAIR)
    assert (words["base"], words["sovits_epochs"], len(words["rows"])) == (0.9, [1, 2], 2)
    assert heat_maps(pairs(), PAIR)[0]["base"] is None


def test_pairs_are_read_from_their_table():
    text = "gpt_epoch,sovits_epoch,wer,similarity,kept\n2,1,0.25,,False\n4,1,0.5,0.75,True\n"
    assert parse_pairs(text) == [
        {"gpt_epoch": 2.0, "sovits_epoch": 1.0, "wer": 0.25, "similarity": None, "kept": 0.0},
        {"gpt_epoch": 4.0, "sovits_epoch": 1.0, "wer": 0.5, "similarity": 0.75, "kept": 1.0},
    ]

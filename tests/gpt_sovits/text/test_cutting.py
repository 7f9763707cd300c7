"""The cuts of upstream, piece for piece."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sovits_golden import reference_folder

from gpt_sovits.text.cutting import CUTS, merge_short_text, split_big_text, split_clauses, upstream_pieces


def test_every_case_is_cut_as_upstream_cuts_it(shared):
    cases = json.loads((reference_folder(shared) / "golden" / "text_cuts.json").read_text())["cases"]
    assert len(cases) >= 9
    for case in cases:
        text = case["text"]
        assert {name: cut(text) for name, cut in CUTS.items()} == {name: case[name] for name in CUTS}, text
        assert split_clauses(text) == case["split"]
        assert split_big_text(text, 20) == case["split_big_text_20"]


def test_a_short_text_joins_the_next_one_and_the_last_text_the_one_before():
    assert merge_short_text(["一。", "二二二二。", "三三三三三。", "四。"]) == ["一。二二二二。", "三三三三三。四。"]
    assert merge_short_text(["一。"]) == ["一。"]
    assert merge_short_text([]) == []


def test_unfinished_pieces_and_short_openings_get_a_mark():
    assert upstream_pieces("好的，我们明天早上再见面", "cut0") == ["。好的，我们明天早上再见面。"]
    assert upstream_pieces("是的没错，我们明天早上再见面", "cut5") == ["是的没错，", "我们明天早上再见面。"]
    assert upstream_pieces("Well, we will see each other tomorrow", "cut0", "en") == [
        "Well, we will see each other tomorrow."
    ]
    assert [len(piece) for piece in upstream_pieces("很长很长的话，" * 100, "cut0")] == [510, 190]
    assert upstream_pieces("…… \n !?", "cut5") == []
    with pytest.raises(ValueError, match="unknown cut 'cut9'; known: cut0"):
        upstream_pieces("a", "cut9")
    with pytest.raises(ValueError, match="at least 1"):
        split_big_text("a", 0)


def test_the_point_of_a_decimal_stays_where_it_begins_a_number():
    assert CUTS["cut5"](".3% and -0.015 of it.") == ".3% and -0.015 of it."
    assert CUTS["cut4"](".3% of it. Or -.5.") == ".3% of it\n Or -.5"
    assert CUTS["cut5"]("...3 a.b") == "3 a.\nb"


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab你好。，！?…—~:.;、 \n12", max_size=200))
def test_no_cut_loses_a_letter(text):
    letters = [c for c in text if c.isalnum()]
    for name, cut in CUTS.items():
        assert [c for c in cut(text) if c.isalnum()] == letters, name
        assert [c for piece in upstream_pieces(text, name) for c in piece if c.isalnum()] == letters, name

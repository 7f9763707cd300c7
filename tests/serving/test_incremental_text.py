"""A text that arrives piece by piece: its sentences, and what may still grow."""

from __future__ import annotations

import re
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_sovits.text.sentences import SPACELESS_SCRIPTS
from serving.api.incremental_text import IncrementalText, without_unsettled


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Dr. Smith is in. He waits. ", ["Dr. Smith is in.", "He waits."]),
        ("It costs 3.14 dollars. Main St. The house. Main St. Theodore lives there.", None),
        ("「行きます。」と言った。次です。", None),
        ("今天天气很好。我们去公园吧！你来吗？", ["今天天气很好。", "我们去公园吧！", "你来吗？"]),
        ("First line\nsecond line\n\nthird", ["First line", "second line", "third"]),
        ("He is in the U.S. Senate. Then he left.", None),
        ("", []),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_sentences_are_those_of_the_whole_text_however_it_arrives(text, sentences, size):
    from gpt_sovits.text.sentences import split_sentences

    arriving, found = IncrementalText(), []
    for start in range(0, len(text), size):
        found += arriving.push(text[start : start + size])
    found += arriving.finish()
    assert found == split_sentences(text, 10**9)
    assert sentences is None or found == sentences


@given(st.text("aA.!?。「」と ,\n\u2028\x85 1한가の", max_size=60), st.lists(st.integers(0, 60), max_size=8))
def test_no_character_is_lost_or_said_twice_however_a_text_arrives(text, places):
    arriving, found = IncrementalText(), []
    for start, end in pairwise(sorted({0, len(text), *(min(place, len(text)) for place in places)})):
        found += arriving.push(text[start:end])
    found += arriving.finish()
    assert "".join("".join(found).split()) == "".join(text.split())


@pytest.mark.parametrize("text", ["a" * 100_000 + " ", "." * 100_000 + " x", "。" * 50_000, " " * 100_000 + "a"])
def test_reading_a_long_text_takes_a_time_that_grows_with_its_length(text):
    begin = time.process_time()
    without_unsettled(text)
    assert time.process_time() - begin < 0.1


@given(st.text(alphabet="ab.? \n中あ한。！「、\u3000'1", max_size=12))
def test_what_a_text_ends_with_is_left_out_as_its_pattern_says(text):
    pattern = rf"(?:[^\s{SPACELESS_SCRIPTS}]+|[{SPACELESS_SCRIPTS}。！？｡「」『』、，]{{1,2}})$"
    assert without_unsettled(text) == re.sub(pattern, "", text)

"""Which words fall into which clip, and which clips are held out."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.alignment.matching import Token, held_out_clips, split_tokens
from stages.tables import Clip


def one_by_one(token: str) -> list[str]:
    """How a token is spoken alone in the language of these tests: % is a word of its own, a dash is not spoken."""
    return token.lower().strip(".,-").replace("%", " percent").split()


def test_every_token_has_its_spoken_words_and_a_dash_joins_the_word_before_it() -> None:
    text = "Up 5% - he said."
    tokens = split_tokens(text, ["up", "five", "percent", "he", "said"], one_by_one)
    assert tokens == [
        Token("Up", ("up",)),
        Token("5% -", ("five", "percent")),
        Token("he", ("he",)),
        Token("said.", ("said",)),
    ]


def test_words_that_are_spoken_differently_in_their_sentence_stay_with_their_token() -> None:
    tokens = split_tokens("See No. 5 at St. Ives", ["see", "number", "five", "at", "saint", "ives"], one_by_one)
    assert [token.spoken for token in tokens] == [("see",), ("number",), ("five",), ("at",), ("saint",), ("ives",)]


@given(st.lists(st.sampled_from(["a", "b.", "-", "5%", "Mr."]), min_size=1), st.lists(st.sampled_from(["a", "b", "x"])))
def test_no_token_and_no_word_is_lost(written: list[str], words: list[str]) -> None:
    tokens = split_tokens(" ".join(written), words, one_by_one)
    assert " ".join(token.written for token in tokens) == " ".join(written)
    assert [word for token in tokens for word in token.spoken] == words


def clips_of(count: int) -> list[Clip]:
    """One clip of each of many recordings."""
    names = [hashlib.sha256(str(number).encode()).hexdigest()[:12] for number in range(count)]
    return [
        Clip(clip_id=f"{name}-0000", recording_id=name, path="x", start=0.1, end=4.1, seconds=4.0, gain_db=0.0)
        for name in names
    ]


@settings(deadline=None)
@given(st.integers(0, 200), st.floats(0.001, 0.499), st.randoms(use_true_random=False))
def test_some_clips_are_held_out_and_some_are_left_whatever_the_order(count: int, share: float, random) -> None:
    clips = clips_of(count)
    held_out = held_out_clips(clips, share)
    assert held_out <= {clip.clip_id for clip in clips}
    assert len(held_out) >= (2 if count >= 10 else 1 if count >= 2 else 0)
    assert len(held_out) <= count // 2
    random.shuffle(clips)
    assert held_out_clips(clips, share) == held_out


def test_the_share_is_met_and_more_clips_do_not_move_any_clip_to_the_other_split() -> None:
    some, more = clips_of(1000), clips_of(3000)
    assert len(held_out_clips(more, 0.1)) == pytest.approx(300, abs=50)
    assert held_out_clips(some, 0.1) == held_out_clips(more, 0.1) & {clip.clip_id for clip in some}

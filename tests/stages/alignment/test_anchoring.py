"""Where the tokens of a transcript go, given what was heard in each clip."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.alignment.anchoring import tokens_by_clip

FIRST = "the baker opens his shop before the street lamps go out"
SECOND = "could you pass me the blue teapot from the second shelf please"
THIRD = "she measured the window twice and still bought the wrong curtain"
CLIPS = [FIRST, SECOND, THIRD]


def texts(transcript: str, heard: list[str]) -> list[str]:
    """Return the text of each clip."""
    tokens = transcript.split()
    seconds = [len(text) * 0.06 + 0.2 for text in heard]
    shares = tokens_by_clip([[token] for token in tokens], [text.split() for text in heard], seconds)
    return [" ".join(tokens[index] for index in share) for share in shares]


def test_a_right_transcript_is_cut_where_the_clips_end() -> None:
    assert texts(" ".join(CLIPS), CLIPS) == CLIPS


def test_words_that_the_asr_misheard_stay_in_their_clip() -> None:
    heard = [FIRST.replace("go out", "gout"), SECOND.replace("could you", "good hue"), THIRD]
    assert texts(" ".join(CLIPS), heard) == CLIPS


@pytest.mark.parametrize("missing", range(3))
def test_a_missing_sentence_costs_its_own_clip_only(missing: int) -> None:
    written = [text for index, text in enumerate(CLIPS) if index != missing]
    expected = [text if index != missing else "" for index, text in enumerate(CLIPS)]
    assert texts(" ".join(written), CLIPS) == expected


def test_swapped_sentences_are_found_in_their_clips() -> None:
    assert texts(f"{SECOND} {FIRST} {THIRD}", CLIPS) == CLIPS


def test_a_misheard_word_moves_with_its_sentence() -> None:
    heard = [FIRST, SECOND.replace("blue teapot", "blew t pot"), THIRD]
    assert texts(f"{SECOND} {FIRST} {THIRD}", heard) == CLIPS
    assert texts(f"{FIRST} {THIRD} {SECOND}", heard) == CLIPS


def test_a_sentence_that_nobody_says_is_in_no_clip() -> None:
    extra = "nothing like this has ever been recorded by anybody"
    assert texts(f"{FIRST} {extra} {SECOND} {THIRD}", CLIPS) == CLIPS


def test_an_added_word_is_in_the_clip_around_it() -> None:
    assert texts(" ".join(CLIPS).replace("blue", "big blue"), CLIPS)[1] == SECOND.replace("blue", "big blue")


def test_a_sentence_that_the_asr_did_not_hear_goes_where_there_is_room() -> None:
    tokens = f"{FIRST} {SECOND} {THIRD}".split()
    heard = [FIRST.split(), [], THIRD.split()]
    shares = tokens_by_clip([[token] for token in tokens], heard, [3.4, 3.6, 3.8])
    assert [" ".join(tokens[index] for index in share) for share in shares] == CLIPS


def test_tokens_without_units_stay_beside_their_neighbours() -> None:
    shares = tokens_by_clip(
        [[], ["one"], ["two"], [], ["three"], ["four"]], [["one", "two"], ["three", "four"]], [1, 1]
    )
    assert shares == [[0, 1, 2, 3], [4, 5]]


WORDS = st.lists(st.sampled_from(["a", "b", "c", "de", "fg"]), max_size=12)


@given(WORDS, st.lists(WORDS, min_size=1, max_size=4))
def test_a_token_is_in_at_most_one_clip(written: list[str], heard: list[list[str]]) -> None:
    shares = tokens_by_clip([[word] for word in written], heard, [1.0] * len(heard))
    placed = [index for share in shares for index in share]
    assert len(shares) == len(heard)
    assert len(placed) == len(set(placed))
    assert set(placed) <= set(range(len(written)))

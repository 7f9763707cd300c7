"""Where the tokens of a transcript go, given what was heard in each clip."""

from __future__ import annotations

import random

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


COMMON = ("the", "of", "and", "to")


@st.composite
def long_recordings(draw: st.DrawFn) -> tuple[list[list[str]], list[list[str]], list[bool]]:
    """What is said in each clip, the sentences of a transcript with faults, and which clips have none."""
    said, written, untouched = [], [], []
    for clip in range(draw(st.integers(2, 12))):
        n_words = draw(st.integers(5, 12))
        words = [draw(st.sampled_from(COMMON)) if index % 3 == 1 else f"w{clip}-{index}" for index in range(n_words)]
        fault = draw(st.sampled_from(("none", "none", "none", "missing", "extra", "wrong", "without", "added")))
        index = draw(st.integers(1, n_words - 2))
        changed = {
            "missing": [],
            "extra": [*words, *(f"x{clip}-{extra}" for extra in range(draw(st.integers(4, 30))))],
            "wrong": [*words[:index], f"x{clip}", *words[index + 1 :]],
            "without": [*words[:index], *words[index + 1 :]],
            "added": [*words[:index], f"x{clip}", *words[index:]],
        }
        said.append(words)
        written.append(changed.get(fault, words))
        untouched.append(fault in ("none", "extra"))
    return said, written, untouched


@given(long_recordings())
def test_an_untouched_clip_has_exactly_its_text_whatever_is_wrong_elsewhere(
    case: tuple[list[list[str]], list[list[str]], list[bool]],
) -> None:
    said, written, untouched = case
    tokens = [word for words in written for word in words]
    shares = tokens_by_clip([[word] for word in tokens], said, [0.06 * len(" ".join(words)) for words in said])
    for words, share, is_untouched in zip(said, shares, untouched, strict=True):
        if is_untouched:
            assert [tokens[index] for index in share] == words


@given(long_recordings(), st.randoms(use_true_random=False))
def test_misheard_words_do_not_move_the_words_around_them(
    case: tuple[list[list[str]], list[list[str]], list[bool]], chance: random.Random
) -> None:
    """Of each clip a word inside is misheard, and the transcript is right."""
    said, *_ = case
    heard = [list(words) for words in said]
    for words in heard:
        words[chance.randrange(1, len(words) - 1)] = "misheard"
    tokens = [word for words in said for word in words]
    shares = tokens_by_clip([[word] for word in tokens], heard, [0.06 * len(" ".join(words)) for words in said])
    assert [[tokens[index] for index in share] for share in shares] == said

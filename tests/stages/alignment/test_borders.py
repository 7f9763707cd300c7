"""Words at the border of two clips that the ASR did not hear.

The sound is a table here: an aligner that knows when each word is said.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from stages.alignment.borders import settled_borders
from stages.alignment.matching import Token, WordTime

SECONDS_PER_WORD = 0.5


def texts(shares: Sequence[Sequence[str]], said: Sequence[Sequence[str]], heard: Sequence[str]) -> list[str]:
    """Return the text of each clip after it was settled.

    Args:
        shares: the words that each clip has before.
        said: what is said in each clip, one word every half second.
        heard: what the ASR heard in each clip.
    """
    words = [word for share in shares for word in share]
    tokens = [Token(word, (word,)) for word in words]
    numbers = iter(range(len(words)))
    seconds = [len(own) * SECONDS_PER_WORD for own in said]

    def align_pair(left: int, both: list[str]) -> list[WordTime]:
        if both != [*said[left], *said[left + 1]]:
            return []
        return [(word, place / 2 + 0.05, place / 2 + 0.45) for place, word in enumerate(both)]

    settled = settled_borders(
        [[next(numbers) for _ in share] for share in shares], tokens, [[word] for word in words],
        [text.split() for text in heard], seconds, align_pair,
    )  # fmt: skip
    return [" ".join(words[index] for index in share) for share in settled]


SAID = [["now", "of", "the", "first", "importance"], ["that", "the", "letter", "is", "fine"]]


@pytest.mark.parametrize(
    "heard",
    [
        ["now of the first example", "that the letter is fine"],
        ["now of the first", "a the letter is fine"],
        ["now of the", "the letter is fine"],
    ],
)
@pytest.mark.parametrize("shift", [-2, -1, 0, 1])
def test_unheard_words_at_a_border_go_where_they_are_said(heard: list[str], shift: int) -> None:
    both = [*SAID[0], *SAID[1]]
    shares = [both[: 5 + shift], both[5 + shift :]]
    expected = [" ".join(words) for words in SAID]
    assert (texts(shares, SAID, heard) == expected) == (shift == 0 or _is_open(shares, heard))


def _is_open(shares: list[list[str]], heard: list[str]) -> bool:
    """Return whether no word that is in the wrong clip was heard in it."""
    wrong = [set(shares[0]) - set(SAID[0]), set(shares[1]) - set(SAID[1])]
    return all(words.isdisjoint(text.split()) for words, text in zip(wrong, heard, strict=True))


def test_words_that_were_heard_stay() -> None:
    shares = [["one", "two", "three"], ["four", "five", "six"]]
    assert texts(shares, [["one", "two"], ["three", "four", "five", "six"]], ["one two three", "four five six"]) == [
        "one two three",
        "four five six",
    ]


def test_words_that_were_heard_in_another_spelling_stay_whatever_the_aligner_says() -> None:
    shares = [["in", "black", "letter"], ["i", "e", "the", "letter"]]
    said = [["in", "black", "letter", "i", "e"], ["the", "letter"]]
    assert texts(shares, said, ["in black letter", "ie the letter"]) == ["in black letter", "i e the letter"]


def test_a_clip_whose_text_belongs_to_other_speech_gives_and_takes_nothing() -> None:
    shares = [["one", "two", "three", "x"], ["four", "y", "z"]]
    said = [["one", "two", "three"], ["x", "four", "y", "z"]]
    assert texts(shares, said, ["one two three", "something else four is said here"]) == ["one two three x", "four y z"]


def test_words_that_do_not_fit_the_sound_stay() -> None:
    shares = [["now", "of", "the", "last"], ["letter", "is", "fine"]]
    assert texts(shares, SAID, ["now of the first", "letter is fine"]) == ["now of the last", "letter is fine"]


@pytest.mark.parametrize(
    ("heard", "stays"),
    [
        (["so I invented an ending", "the good joke is short"], True),
        (["so I invented an ending", "good joke is short"], False),
        (["so I invented an ending the", "the good joke is short"], False),
    ],
)
def test_a_word_that_was_misheard_in_one_clip_alone_stays_there(heard: list[str], stays: bool) -> None:
    shares = [["so", "I", "invented", "an", "ending"], ["a", "good", "joke", "is", "short"]]
    said = [[*shares[0], "a"], shares[1][1:]]  # an aligner that finds "a" in the noise after the first clip's words
    assert texts(shares, said, heard) == [" ".join(words) for words in (shares if stays else said)]

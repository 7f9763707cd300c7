"""From a recogniser's tokens to the words of a text."""

from __future__ import annotations

import pytest

from metrics.errors import AlignmentError
from metrics.forced_alignment import AlignedWord
from metrics.judges.word_times import TokenTimes, check_fits, within_speech, word_times, written_text


@pytest.mark.parametrize(
    ("language", "words", "text"),
    [
        ("en", ["has", "never", "been"], " has never been"),
        ("ko", ["오늘은", "맑아요."], " 오늘은 맑아요."),
        ("zh", ["我", "用", "Windows", "11", "看", "书", "。"], "我用Windows 11看书。"),
        ("ja", ["今", "日", "は", "OK", "で", "す"], "今日はOKです"),
        ("yue", ["我", "哋"], "我哋"),
    ],
)
def test_words_are_joined_as_the_language_writes_them(language: str, words: list[str], text: str) -> None:
    written = written_text(words, language)
    assert written.text == text
    cut = zip(written.borders, written.borders[1:], strict=False)
    assert [text.encode()[first:end].decode().strip() for first, end in cut] == words


@pytest.mark.parametrize("words", [[], ["one", ""], ["one two"], [" one"]])
def test_words_that_are_empty_or_have_spaces_are_refused(words: list[str]) -> None:
    with pytest.raises(AlignmentError, match=r"to align|has no space"):
        written_text(words, "en")


def test_a_word_of_two_tokens_spans_both_and_has_the_product_of_their_probabilities() -> None:
    tokens = TokenTimes([4, 3, 3], [0.1, 0.3, 0.5, 1.0], [0.5, 0.4, 0.9])  # " has", " ne", "ver"
    first, second = word_times(["has", "never"], written_text(["has", "never"], "en"), tokens, 2.0)
    assert (first.word, first.start, first.end, first.probability) == ("has", 0.1, 0.3, 0.5)
    assert (second.word, second.start, second.end) == ("never", 0.3, 1.0)
    assert second.probability == pytest.approx(0.36)


def test_a_character_of_several_tokens_and_a_token_of_two_characters_are_told_apart() -> None:
    # three characters of three bytes: the first in two tokens, the other two in one token
    words = ["龘", "今", "天"]
    aligned = word_times(
        words, written_text(words, "zh"), TokenTimes([1, 2, 6], [0, 0.2, 0.4, 1.0], [0.5, 0.5, 0.8]), 3
    )
    assert [(word.start, word.end) for word in aligned] == [(0.0, 0.4), (0.4, pytest.approx(0.7)), (0.7, 1.0)]
    assert [word.probability for word in aligned] == pytest.approx([0.25, 0.8, 0.8])


def test_a_token_of_punctuation_does_not_count_for_the_probability() -> None:
    words = ["Bible,"]
    (aligned,) = word_times(words, written_text(words, "en"), TokenTimes([6, 1], [0, 0.5, 0.6], [0.9, 0.01]), 1)
    assert (aligned.end, aligned.probability) == (0.6, 0.9)


def test_times_never_go_back_and_stay_inside_the_audio() -> None:
    words = ["a", "b", "c"]
    aligned = word_times(words, written_text(words, "en"), TokenTimes([2, 2, 2], [0.4, 0.2, 0.9, 1.2], [1, 1, 1]), 1.0)
    assert [(word.start, word.end) for word in aligned] == [(0.4, 0.4), (0.4, 0.9), (0.9, 1.0)]


def test_a_pause_belongs_to_no_word() -> None:
    words = [AlignedWord("a", 0.0, 0.5), AlignedWord("b", 0.5, 2.0), AlignedWord("c", 2.0, 2.1)]
    cut = within_speech(words, [(0.2, 0.6), (1.4, 1.9)])
    assert [(word.start, word.end) for word in cut] == [(0.2, 0.5), (1.4, 1.9), (2.0, 2.1)]
    assert within_speech(words, []) == words


@pytest.mark.parametrize(("seconds", "n_tokens", "message"), [(31, 5, "31.0 s of audio"), (9, 500, "500 tokens")])
def test_what_does_not_fit_the_window_is_refused(seconds: float, n_tokens: int, message: str) -> None:
    with pytest.raises(AlignmentError, match=message):
        check_fits(seconds, n_tokens)
    check_fits(30.0, 440)

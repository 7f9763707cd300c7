"""Text to ids: what is dropped, what is refused, how long texts are cut."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt_sovits.text.frontend import MAX_CHARACTERS, phonemize, split_sentences
from gpt_sovits.text.symbols import PUNCTUATION, SYMBOLS


def test_ids_and_symbols_belong_together():
    result = phonemize("Hello, world!")
    assert " ".join(result.symbols) == "HH AH0 L OW1 , W ER1 L D !"
    assert [SYMBOLS[i] for i in result.ids] == result.symbols
    assert result.normalized_text == "Hello, world!"


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("Hi 👍🏽 there 🇩🇪", "Hi there"),
        ("zero\u200bwidth and soft\u00adhyphen", "zerowidth and softhyphen"),
        ("tab\there\x07", "tab here"),
        ("one line\nanother\r\n\r\nthird", "one line. another. third"),
        ("Ｆｕｌｌ　ｗｉｄｔｈ！", "Full width!"),
        ("Brand™ names®", "Brand names"),
    ],
)
def test_controls_emoji_and_odd_forms(written, plain):
    assert phonemize(written).normalized_text == plain
    assert phonemize(written).ids == phonemize(plain).ids


@pytest.mark.parametrize("text", ["", "   ", "\n", "...", "?!", "👍", "* _ *", "'"])
def test_nothing_to_say(text):
    with pytest.raises(ValueError, match="has nothing to say; it needs at least one word or number"):
        phonemize(text)


def test_too_long():
    with pytest.raises(ValueError, match="2001 characters, at most 2000"):
        phonemize("a" * 2001)


def test_an_unknown_language():
    with pytest.raises(ValueError, match="no text front end for language 'tlh'; known: en, zh, yue, ja, ko, all_en"):
        phonemize("nuqneH", "tlh")


def test_other_scripts():
    with pytest.raises(ValueError, match="as English"):
        phonemize("Привет, hello")


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_spoken_or_refused(text):
    try:
        result = phonemize(text)
    except ValueError as error:
        assert "nothing to say" in str(error) or "cannot speak" in str(error)
    else:
        assert any(s not in PUNCTUATION for s in result.symbols)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="0123456789.,:/-$£%°#~' stndrhapmkKM", min_size=1, max_size=40))
def test_any_heap_of_digits_and_marks_is_spoken_or_refused(text):
    try:
        phonemize(text)
    except ValueError as error:
        assert "nothing to say" in str(error)


def test_numbers_of_any_length():
    phonemize("9" * (MAX_CHARACTERS - 2) + "th")


def test_sentences():
    text = (
        'Mr. Smith paid 3.14 dollars. He left at 9 a.m. on Monday. "Really?" she asked. The U.S. Senate met. '
        "We live in the U.S. The rest do not. I met J. Smith, e.g. here. See No. 5… or not! Good."
    )
    assert split_sentences(text) == [
        "Mr. Smith paid 3.14 dollars.",
        "He left at 9 a.m. on Monday.",
        '"Really?" she asked.',
        "The U.S. Senate met.",
        "We live in the U.S.",
        "The rest do not.",
        "I met J. Smith, e.g. here.",
        "See No. 5… or not!",
        "Good.",
    ]
    assert split_sentences("first line\n\nsecond line") == ["first line", "second line"]
    assert split_sentences(" \n ") == []


def test_long_sentences_are_cut_at_marks_then_between_words():
    assert split_sentences("one two, three four five six", 15) == ["one two,", "three four five", "six"]
    assert split_sentences("x" * 25, 10) == ["x" * 10, "x" * 10, "x" * 5]
    with pytest.raises(ValueError, match="max_characters must be at least 1"):
        split_sentences("a", 0)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab A.?!,;:-…\"'() \n19", max_size=80), st.integers(1, 30))
def test_splitting_loses_nothing(text, max_characters):
    pieces = split_sentences(text, max_characters)
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert all(piece.strip() and len(piece) <= max_characters for piece in pieces)

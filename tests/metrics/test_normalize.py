"""The scoring normaliser: what is spoken alike is scored alike."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from num2words import num2words

from metrics.normalize import NORMALIZER_NAME, NORMALIZER_VERSION, normalize_text


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("It costs $25.", "it costs twenty-five dollars"),
        ("25 people", "twenty five people"),
        ("1,234 sheep", "one thousand two hundred and thirty-four sheep"),
        ("In 1984, they left.", "in nineteen eighty four they left"),
        ("the 21st century", "the twenty-first century"),
        ("the 9th and the 49th", "the ninth and the forty ninth"),
        ("at 3:30 p.m. today", "at three thirty pm today"),
        ("at 10:45", "at ten forty-five"),
        ("at 5 o'clock", "at five o'clock"),
        ("10% and 10 per cent", "ten percent and ten percent"),
        ("it was -5 outside", "it was minus five outside"),
        ("1, 2, 3, go", "one two three go"),
        ("3.5 miles", "three point five miles"),
        ("Dr. Smith & Mr. Jones", "doctor smith and mister jones"),
        ("Don\u2019t, it\u2019s John\u2019s", "do not it is john's"),
        ("I cannot", "I can't"),
        ("a well-known re-entry", "a well known re entry"),
        ("The grey theatre\u2019s colour", "the gray theater's color"),
        ("send an e-mail", "send an email"),
        ("Naïve café", "naive cafe"),
        ("wait \u2014 what?", "wait what"),
        ("zero\u200bwidth", "zerowidth"),
        ("The Bible (printed in Mainz) is [still] there", "the bible printed in mainz is still there"),
    ],
)
def test_written_and_spoken_forms_agree(written: str, spoken: str) -> None:
    assert normalize_text(written) == normalize_text(spoken)


@pytest.mark.parametrize("text", ["", "   ", "...", "?!"])
def test_nothing_to_score_is_empty(text: str) -> None:
    assert normalize_text(text) == ""


@given(st.integers(2, 999_999))
def test_every_number_agrees_with_its_words(number: int) -> None:
    assert normalize_text(f"there were {num2words(number)} of them") == f"there were {number} of them"
    assert normalize_text(f"there were {number:,} of them") == f"there were {number} of them"


@given(st.integers(1, 9999))
def test_every_ordinal_agrees_with_its_words(number: int) -> None:
    spoken, written = num2words(number, to="ordinal"), num2words(number, to="ordinal_num")
    assert normalize_text(f"the {spoken} man") == normalize_text(f"the {written} man")


@given(st.text(max_size=60))
def test_any_text_gives_lower_case_words_with_single_spaces(text: str) -> None:
    words = normalize_text(text).split(" ")
    assert words == [""] or all(word and any(c.isalnum() for c in word) and word == word.lower() for word in words)


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(ValueError, match="no scoring normaliser for language 'ja'; there is one for en"):
        normalize_text("hello", "ja")


def test_the_normaliser_is_named_and_versioned() -> None:
    assert NORMALIZER_NAME == "whisper_english"
    assert NORMALIZER_VERSION.endswith("+rules1"), "a change of the rules needs a new RULES_VERSION"

"""A transcript cut into words or characters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.alignment.matching import Token
from stages.alignment.written_tokens import separator_of, written_tokens


def test_korean_is_cut_at_spaces() -> None:
    tokens = written_tokens("오늘은 Wi-Fi가 - 느려요.", "ko")
    assert tokens == [Token("오늘은", ("오늘은",)), Token("Wi-Fi가 -", ("Wi-Fi가",)), Token("느려요.", ("느려요",))]


@pytest.mark.parametrize("language", ["zh", "ja", "yue"])
def test_characters_are_tokens_and_a_latin_word_or_a_number_is_one(language: str) -> None:
    tokens = written_tokens("我用GPT-4o买3.5斤，", language)
    assert [token.spoken[0] for token in tokens] == ["我", "用", "GPT-4o", "买", "3.5", "斤"]
    assert tokens[-1].written == "斤，"


def test_an_opening_bracket_goes_with_what_follows_it() -> None:
    tokens = written_tokens("「你」說「好」。", "yue")
    assert [token.written for token in tokens] == ["「你」", "說", "「好」。"]


def test_a_combining_mark_stays_with_its_letter() -> None:
    assert [token.spoken[0] for token in written_tokens("か\u3099。", "ja")] == ["か\u3099"]


@pytest.mark.parametrize("text", ["", "……", " 「 」"])
def test_a_text_without_letters_has_no_token(text: str) -> None:
    assert written_tokens(text, "ja") == []


@given(st.text(alphabet="我们がにWiFi3.5 ，。「」『-'\u3099", min_size=1), st.sampled_from(["zh", "ja", "yue", "ko"]))
def test_nothing_written_is_lost(text: str, language: str) -> None:
    tokens = written_tokens(text, language)
    joined = separator_of(language).join(token.written for token in tokens)
    if tokens:
        assert joined.split() == text.split() if language == "ko" else joined == text
    assert all(token.spoken[0].strip() and " " not in token.spoken[0] for token in tokens)

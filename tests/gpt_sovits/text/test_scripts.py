"""Mixed texts: the script of each part decides its language, and nothing is lost."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt_sovits.text.cleaning import clean
from gpt_sovits.text.frontend import phonemize
from gpt_sovits.text.scripts import AUTOMATIC, split_by_main_language, split_off_english


@pytest.mark.parametrize(
    ("text", "language", "parts"),
    [
        ("你好。Hello.", "zh", [("zh", "你好。Hello.")]),
        ("你好。I have 3 apples. 再见", "zh", [("zh", "你好。"), ("en", "I have 3 apples."), ("zh", " 再见")]),
        ("我说, I have 3 apples", "zh", [("zh", "我说,"), ("en", " I have 3 apples")]),
        ("iPhone 15很贵", "zh", [("zh", "iPhone 15很贵")]),
        ("5 km 10 kg", "zh", [("zh", "5 km 10 kg")]),
        ("你好。", "all_zh", [("zh", "你好。")]),
        ("こんにちは。東京へ行く。你好。", "auto", [("ja", "こんにちは。東京へ行く。"), ("zh", "你好。")]),
        ("Hello. 你好。안녕하세요.", "auto", [("en", "Hello."), ("zh", " 你好。"), ("ko", "안녕하세요.")]),
        ("你好。", "auto_yue", [("yue", "你好。")]),
        ("안녕 (漢字)", "auto", [("ko", "안녕 ("), ("zh", "漢字)")]),
        ("123", "auto", [("en", "123")]),
        ("123 你好", "auto", [("zh", "123 你好")]),
    ],
)
def test_split_by_main_language(text, language, parts):
    assert split_by_main_language(text, language) == parts


@pytest.mark.parametrize(
    ("text", "main", "parts"),
    [
        ("我用Python,很好", "zh", [("zh", "我用"), ("en", "Python,"), ("zh", "很好")]),
        ("「Tokyo」に-5度", "ja", [("en", "「Tokyo」"), ("ja", "に-5度")]),
        ("C++とC#", "ja", [("en", "C++"), ("ja", "と"), ("en", "C#")]),
        ("5 km走る", "ja", [("ja", "5 km走る")]),
        ("5G通信", "ja", [("ja", "5"), ("en", "G"), ("ja", "通信")]),
        ("user@site.orgへ", "ja", [("en", "user@site.org"), ("ja", "へ")]),
        ("Wi-Fi 요금", "ko", [("en", "Wi-Fi "), ("ko", "요금")]),
        ("Hello 5", "en", [("en", "Hello 5")]),
    ],
)
def test_split_off_english(text, main, parts):
    assert split_off_english(text, main) == parts


@settings(max_examples=300, deadline=None)
@given(
    st.text(alphabet="ab AZ你好東京こんカ안녕12.,!?。、「」$-5%km\ue000\uf000@", max_size=60),
    st.sampled_from(["zh", "yue", "ja", "ko", *AUTOMATIC, "all_ja"]),
)
def test_splitting_loses_nothing(text, language):
    parts = split_by_main_language(text, language)
    assert "".join(part.text for part in parts) == text
    for part in parts:
        pieces = split_off_english(part.text, part.language)
        assert "".join(piece.text for piece in pieces) == part.text
        assert {piece.language for piece in pieces} <= {part.language, "en"}


def test_segments_have_their_language_and_its_symbols():
    result = phonemize("我用Python。Hello there, 你好。", "auto")
    assert [(s.language, s.normalized_text) for s in result.segments] == [
        ("zh", "我用"),
        ("en", "Python."),
        ("en", "Hello there,"),
        ("zh", "你好."),
    ]
    assert result.symbols == [symbol for segment in result.segments for symbol in segment.symbols]
    assert result.normalized_text == "我用 Python. Hello there, 你好."


def test_a_latin_letter_in_chinese_is_spelled():
    assert phonemize("A股", "zh").symbols == ["EY1", "g", "u3"]


def test_a_single_language_refuses_english_words_with_advice():
    with pytest.raises(
        ValueError, match=r"cannot speak 'Python' with language 'all_zh'.*language 'zh' speaks such words"
    ):
        phonemize("我用Python", "all_zh")
    assert phonemize("你好", "all_zh").ids == phonemize("你好", "zh").ids


def test_numbers_are_read_in_the_main_language_of_their_clause():
    assert phonemize("iPhone 15", "zh").normalized_text == "iPhone 十五"
    assert phonemize("I have 15 cats", "zh").normalized_text == "I have fifteen cats"


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60), st.sampled_from(sorted(AUTOMATIC)))
def test_splitting_any_cleaned_text_loses_nothing(text, language):
    cleaned = clean(text)
    assert "".join(part.text for part in split_by_main_language(cleaned, language)) == cleaned

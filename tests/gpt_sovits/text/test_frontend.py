"""The front end: what it drops and refuses, and how it cuts long texts."""

import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt_sovits.text.frontend import LANGUAGES, MAX_CHARACTERS, phonemize, split_sentences
from gpt_sovits.text.scripts import AUTOMATIC
from gpt_sovits.text.symbols import PUNCTUATION, SYMBOL_IDS, SYMBOLS


def test_ids_are_those_of_the_symbols():
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
def test_control_characters_emoji_and_compatibility_forms(written, plain):
    assert phonemize(written).normalized_text == plain
    assert phonemize(written).ids == phonemize(plain).ids


@pytest.mark.parametrize("text", ["", "   ", "\n", "...", "?!", "👍", "* _ *", "'"])
def test_a_text_with_nothing_to_say_is_refused(text):
    with pytest.raises(ValueError, match="has nothing to say; it needs at least one word or number"):
        phonemize(text)


def test_a_text_that_is_too_long_is_refused():
    with pytest.raises(ValueError, match="2001 characters, at most 2000"):
        phonemize("a" * 2001)


def test_an_unknown_language_is_refused():
    with pytest.raises(ValueError, match="no text front end for language 'tlh'; known: en, zh, yue, ja, ko, all_en"):
        phonemize("nuqneH", "tlh")


@pytest.mark.parametrize(("language", "library"), [("zh", "rjieba"), ("yue", "ToJyutping")])
def test_a_missing_library_is_named(language, library, monkeypatch):
    phonemize("你好", language)
    monkeypatch.setitem(sys.modules, library, None)
    module = sys.modules[f"gpt_sovits.text.chinese.{'mandarin' if language == 'zh' else 'cantonese'}"]
    for cached_function in ("_dictionary", "_converter"):
        getattr(getattr(module, cached_function, None), "cache_clear", lambda: None)()
    with pytest.raises(ValueError, match=f"language '{language}' is not installed: the package '{library}' is missing"):
        phonemize("你好", language)


def test_languages_load_on_first_use():
    code = (
        "import sys; from gpt_sovits.text.frontend import phonemize; phonemize('Hello'); "
        "print([m for m in ('rjieba', 'pypinyin', 'ToJyutping', 'opencc', 'pyopenjtalk', 'mecab', 'torch') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


WORDS = {"en": "word ", "zh": "你好", "yue": "你好", "ja": "こんにちは", "ko": "안녕 "}


@pytest.mark.parametrize("language", LANGUAGES)
def test_twenty_thousand_characters_are_refused_and_can_be_cut(language):
    text = (WORDS[language] * 20_000)[:20_000]
    with pytest.raises(ValueError, match="20000 characters, at most 2000"):
        phonemize(text, language)
    sentences = split_sentences(text)
    assert sum(len("".join(s.split())) for s in sentences) == len("".join(text.split()))
    assert all(len(s) <= 300 for s in sentences)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("text", ["", "   ", "\n", "...", "。！？", "👍", "\u200b", "「」"])
def test_a_text_with_nothing_to_say_is_refused_in_any_language(language, text):
    with pytest.raises(ValueError, match="has nothing to say"):
        phonemize(text, language)


ANY_TEXT = st.one_of(
    st.text(max_size=60),
    st.text(
        alphabet="你好世界銀行佢哋こんにちはカタ東京안녕하세요abcXYZ 0123456789.,!?。、「」$€%-+/:@#&'\n👍\u200b\x00",
        max_size=60,
    ),
)


@pytest.mark.parametrize("language", [*LANGUAGES, *AUTOMATIC, "all_zh", "all_ja"])
@settings(max_examples=80, deadline=None)
@given(text=ANY_TEXT)
def test_any_text_in_any_language_is_spoken_or_refused(language, text):
    start = time.process_time()
    try:
        result = phonemize(text, language)
    except ValueError as error:
        assert len(str(error)) > 20
    else:
        assert [SYMBOL_IDS[symbol] for symbol in result.symbols] == result.ids
        assert any(symbol not in PUNCTUATION for symbol in result.symbols)
        assert [symbol for segment in result.segments for symbol in segment.symbols] == result.symbols
        for segment in result.segments:
            if segment.word2ph is not None:
                assert sum(segment.word2ph) == len(segment.symbols)
                assert len(segment.word2ph) == len(segment.normalized_text)
    assert time.process_time() - start < 20  # the first call loads the dictionaries


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("unit", ["9", "1.", "a@", "1-", "一", "你9", "a.", "(", "1/", "あ", "가"])
def test_the_longest_texts_take_seconds_at_most(language, unit):
    start = time.process_time()
    try:
        phonemize(unit * (MAX_CHARACTERS // len(unit)), language)
    except ValueError as error:
        assert "nothing to say" in str(error) or "cannot" in str(error) or "dictionary" in str(error)
    assert time.process_time() - start < 10


def test_other_scripts_are_refused():
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
def test_any_digits_and_marks_are_spoken_or_refused(text):
    try:
        phonemize(text)
    except ValueError as error:
        assert "nothing to say" in str(error)


def test_the_longest_number_is_spoken():
    phonemize("9" * (MAX_CHARACTERS - 2) + "th")


def test_sentences_end_at_full_stops_but_not_at_abbreviations():
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
def test_splitting_into_sentences_loses_nothing(text, max_characters):
    pieces = split_sentences(text, max_characters)
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert all(piece.strip() and len(piece) <= max_characters for piece in pieces)

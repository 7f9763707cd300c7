"""The scoring normalisers: what is spoken alike is scored alike. Tests of other languages are in normalizers/."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from num2words import num2words

from metrics.normalize import LANGUAGES, normalize_text, normalizer_of, remove_unit_spaces
from metrics.wer import character_errors, word_errors

BY_CHARACTER = [language for language in LANGUAGES if language != "en"]
MARKS = "，。、！？：；「」『』（）《》…—·,!?;"
SCRIPTS = st.sampled_from(
    "零〇一二三四五六七八九十百千万亿億兆两兩廿幺点半分時时年月个個円乾坤著名的他她嘅左々ヴァカヶアイウーん人子供시개월명께에할가나다"
    "가ゔ゙éİ①㎏½ｱﾞ abdkmAB0123456789.,:/%-~$'\u200b"
)


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


@pytest.mark.parametrize("language", BY_CHARACTER)
@given(text=st.one_of(st.text(SCRIPTS, max_size=16), st.text(max_size=40)))
def test_any_text_gives_single_characters_and_latin_words_and_stays_so(language: str, text: str) -> None:
    normal = normalize_text(text, language)
    assert normal == normal.lower() and normalize_text(normal, language) == normal
    for unit in normal.split(" ") if normal else []:
        assert unit.isalnum() and (len(unit) == 1 or not any(c.isdigit() or c > "\u0400" for c in unit))


@pytest.mark.parametrize("language", BY_CHARACTER)
@given(text=st.text("天地人一二三百你好吗山川やまカワ가나다라마바사", max_size=12), data=st.data())
def test_spaces_marks_and_widths_change_nothing(language: str, text: str, data: st.DataObject) -> None:
    gaps = st.text(MARKS + " \u3000", max_size=2)
    spread = "".join(character + data.draw(gaps) for character in text)
    assert normalize_text(spread, language) == normalize_text(text, language)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("text", ["", " \u3000", "。！？…", "-", "''", "\u200b"])
def test_nothing_to_score_is_empty_in_every_language(language: str, text: str) -> None:
    assert normalize_text(text, language) == ""


@pytest.mark.parametrize("language", BY_CHARACTER)
def test_word_errors_are_character_errors_where_the_character_is_the_unit(language: str) -> None:
    reference, hypothesis = (normalize_text(text, language) for text in ("山山山川川川OK", "山川川川天天OK"))
    words = word_errors(reference, hypothesis)
    assert (words.errors, words.n_reference) == (4, 7)  # the Latin word is one
    characters = character_errors(*(remove_unit_spaces(text, language) for text in (reference, hypothesis)))
    assert (characters.errors, characters.n_reference) == (4, 8)


def test_character_errors_of_english_are_counted_with_its_spaces() -> None:
    assert remove_unit_spaces("a word", "en") == "a word"


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(
        ValueError, match="no scoring normaliser for language 'de'; there is one for en, zh, yue, ja, ko"
    ):
        normalize_text("hello", "de")


def test_every_normaliser_has_a_name_of_its_own_and_a_version() -> None:
    named = [normalizer_of(language) for language in LANGUAGES]
    assert [one.name for one in named] == [
        "whisper_english", "mandarin_characters", "cantonese_characters", "japanese_characters", "korean_syllables",
    ]  # fmt: skip
    rules = [one.version.rpartition("+")[2] for one in named]
    assert rules == ["rules2", "rules1", "rules1", "rules1", "rules1"], "a change of the rules needs a new version"

"""The words of a sentence keep their written form, and each has its symbols."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt_sovits.text.frontend import phonemize
from gpt_sovits.text.symbols import PUNCTUATION
from gpt_sovits.text.written_words import locate_words, written_words


def spoken(sentence: str, language: str = "en") -> list[tuple[str, str]]:
    symbols = phonemize(sentence, language).symbols
    words = locate_words(sentence, symbols, lambda word: phonemize(word, language).symbols)
    return [(word.text, " ".join(symbols[word.first : word.end])) for word in words]


def test_numbers_and_abbreviations_keep_their_written_form():
    assert spoken("Dr. Smith paid $5.50 on Jan. 5, at 10 a.m.") == [
        ("Dr.", "D AA1 K T ER0"),
        ("Smith", "S M IH1 TH"),
        ("paid", "P EY1 D"),
        ("$5.50", "F AY1 V D AA1 L ER0 Z AH0 N D F IH1 F T IY0 S EH1 N T S"),
        ("on", "AA1 N"),
        ("Jan.", "JH AE1 N Y UW0 EH2 R IY0"),
        ("5,", "F IH1 F TH"),
        ("at", "AE1 T"),
        ("10", "T EH1 N"),
        ("a.m.", "EY1 EH1 M"),
    ]


def test_a_word_that_sounds_different_beside_others_has_the_symbols_of_the_sentence():
    assert spoken("I read it, and I will read it.")[1] == ("read", spoken("I read it.")[1][1])


def test_signs_that_are_spoken_are_words_and_dashes_are_not():
    words = [word for word, _ in spoken("Bread & butter — please.")]
    assert words == ["Bread", "&", "butter", "please."]


@pytest.mark.parametrize(
    ("language", "sentence", "words"),
    [
        ("zh", "我们有50%的机会。", ["我", "们", "有", "50%", "的", "机", "会。"]),
        ("ja", "10時に会議。", ["10", "時", "に", "会", "議。"]),
        ("ko", "오늘은 10시에 회의가 있습니다.", ["오늘은", "10시에", "회의가", "있습니다."]),
    ],
)
def test_scripts_without_spaces_have_a_word_per_character(language, sentence, words):
    found = spoken(sentence, language)
    assert [word for word, _ in found] == words and all(symbols for _, symbols in found)


@settings(max_examples=200, deadline=None)
@given(
    sentence=st.text(st.sampled_from(list("ab 1,.-&我'")), max_size=40),
    symbols=st.lists(st.sampled_from(["AA1", "B", "K", ",", "."]), max_size=30),
)
def test_every_word_has_symbols_in_order(sentence, symbols):
    found = locate_words(sentence, symbols, lambda word: ["B"] * len(word) if "1" not in word else [])
    assert [word.text for word in found] == written_words(sentence)
    n_spoken = sum(symbol not in PUNCTUATION for symbol in symbols)
    for word in found:
        assert 0 <= word.first < word.end <= max(1, len(symbols))
    for before, after in pairwise(found):
        assert before.first <= after.first
        assert before.end <= after.first or n_spoken < len(found)

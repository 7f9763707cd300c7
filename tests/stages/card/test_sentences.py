"""Kinds of sentences are counted by their marks, their length and their numbers."""

from __future__ import annotations

import pytest
from card_helpers import aligned

from stages.card.language.sentences import ENOUGH, has_number, sentence_kinds


def test_questions_exclamations_long_ones_and_numbers_are_counted():
    clips = [
        aligned(0, "Is it five?"),
        aligned(1, "Run!"),
        aligned(2, "It was long.", seconds=7.5),
        aligned(3, "Plain words."),
    ]
    kinds = {kind.name: (kind.n, kind.share) for kind in sentence_kinds(clips, "en")}
    assert kinds == {
        "questions": (1, 0.25),
        "exclamations": (1, 0.25),
        "long sentences": (1, 0.25),
        "sentences with numbers": (1, 0.25),
    }


def test_a_kind_is_rare_below_the_limit():
    few, enough = (sentence_kinds([aligned(i, "Is it?") for i in range(n)], "en")[0] for n in (ENOUGH - 1, ENOUGH))
    assert few.is_rare and not enough.is_rare


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("Room 12.", "en", True),
        ("He has twenty five boats.", "en", True),
        ("No one has boats.", "en", False),
        ("一共三十五块。", "zh", True),
        ("我们一起走。", "zh", False),
        ("第三個。", "yue", True),
        ("２０人です。", "ja", True),
        ("사과 3개", "ko", True),
        ("사과를 먹어요", "ko", False),
    ],
)
def test_numbers_are_found_in_figures_and_in_words(text, language, expected):
    assert has_number(text, language) == expected


def test_no_clips_have_no_share():
    assert {kind.share for kind in sentence_kinds([], "en")} == {0.0}

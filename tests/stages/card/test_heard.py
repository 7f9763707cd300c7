"""Differences between a text and what was heard are shown, those of spelling are not."""

from __future__ import annotations

import subprocess
import sys

import pytest
from card_helpers import aligned
from imports import ROOT

from stages.card.facts.heard import heard_words


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        ("Our neighbours paid twenty pounds for the second colour.", "our neighbors paid £20 for the 2nd color"),
        ("Is it five already?", "is it 5 already"),
        ("", "anything"),
        ("Go!", ""),
    ],
)
def test_differences_of_spelling_are_not_shown(text, heard):
    assert heard_words(aligned(0, text, asr_text=heard)) == []


def test_words_that_differ_are_shown_side_by_side():
    words = heard_words(aligned(0, "Pass the blue teapot, please.", asr_text="pass the blue tea cup please now"))
    assert [(word.kind, word.said, word.heard) for word in words if word.kind != "equal"] == [
        ("insert", "", "tea"),
        ("substitute", "teapot", "cup"),
        ("insert", "", "now"),
    ]


def test_other_languages_are_compared_as_they_are_scored():
    words = heard_words(aligned(0, "我们三点去。", asr_text="我 们 三 天 去", language="zh"))
    assert [(word.said, word.heard) for word in words if word.kind == "substitute"] == [("点", "天")]
    assert not heard_words(aligned(0, "我们3点去。", asr_text="我 们 三 点 去", language="zh"))


def test_the_card_is_cheap_to_import_and_needs_no_torch():
    code = (
        "import sys, stages.data_card, stages.card.facts.heard; print('torch' in sys.modules, 'whisper' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]

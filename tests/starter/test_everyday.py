"""The grammar of everyday sentences."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from metrics.normalize import normalize_text
from metrics.prompts import load_prompts
from starter.everyday import RULES, everyday_sentences

PROMPTS = Path(__file__).resolve().parents[2] / "benchmarks/prompts/en.yaml"


def test_sentences_are_distinct_and_the_same_for_the_same_seed() -> None:
    sentences = list(islice(everyday_sentences(3), 500))
    assert len(set(sentences)) == 500
    assert sentences == list(islice(everyday_sentences(3), 500))
    assert sentences != list(islice(everyday_sentences(4), 500))


@pytest.mark.parametrize("mark", [",", "?", "!", "."])
def test_sentences_have_every_mark_at_which_a_voice_must_read_on_or_stop(mark: str) -> None:
    assert sum(mark in sentence for sentence in islice(everyday_sentences(0), 3000)) >= 3


def test_no_sentence_is_longer_than_allowed_or_has_an_unfilled_slot() -> None:
    for sentence in islice(everyday_sentences(0, max_characters=60), 300):
        assert len(sentence) <= 60
        assert "{" not in sentence


def test_every_rule_but_the_first_is_used() -> None:
    used = {name for choices in RULES.values() for choice in choices for name in RULES if f"{{{name}}}" in choice}
    assert RULES.keys() - used == {"sentence"}


def test_no_fixed_prompt_is_in_the_corpus() -> None:
    """A base that had read the gate's questions would be judged too kindly."""
    prompts = {prompt.normalized for prompt in load_prompts(PROMPTS).prompts}
    made = {normalize_text(sentence, "en") for sentence in islice(everyday_sentences(0), 3000)}
    assert not made & prompts

"""Whether two ASR judges agree, judged by their difference on the speaker's recordings."""

from __future__ import annotations

import math

import pytest
from release_helpers import held_out, utterance

from metrics.scores import UtteranceScore
from metrics.second_opinions import MAX_DISAGREEMENT, disagreement, second_opinion


def rows(*errors: tuple[int, int | None]) -> list[UtteranceScore]:
    """Return one utterance of ten words per (errors of the first judge, errors of the second)."""
    return [
        utterance(number, 0, first, second_word_errors=second, second_hypothesis=None if second is None else "words")
        for number, (first, second) in enumerate(errors)
    ]


def recordings(first: int, second: int) -> list[UtteranceScore]:
    return [row.model_copy(update={"second_word_errors": second}) for row in held_out(4, first)]


def test_figures_pool_only_what_both_judges_heard() -> None:
    found = second_opinion(rows((1, 3), (9, None), (2, 2)))
    assert (found.n, found.wer, found.second_wer) == (2, 0.15, 0.25)
    assert found.difference == pytest.approx(0.1)
    assert math.isnan(found.second_similarity)


def test_a_second_speaker_judge_alone_has_an_opinion() -> None:
    found = second_opinion([utterance(0, 0, second_similarity=0.5), utterance(1, 0)])
    assert (found.n, found.similarity, found.second_similarity) == (1, 0.8, 0.5)
    assert math.isnan(found.second_wer)


def test_a_judge_that_errs_as_much_more_on_recordings_agrees() -> None:
    found = disagreement(rows((1, 5), (0, 4)), recordings(0, 4))
    assert (found.excess, found.is_too_large, found.prompt_ids) == (0.0, False, ())


def test_a_voice_that_only_the_first_judge_understands_is_found_with_its_prompts() -> None:
    found = disagreement(rows((1, 2), (0, 9), (1, 1), (0, 6)), recordings(0, 1))
    assert found.excess == pytest.approx(0.3)
    assert found.is_too_large
    assert found.prompt_ids == ("p001", "p003", "p000")


def test_a_voice_that_only_the_second_judge_understands_is_found_too() -> None:
    found = disagreement(rows((9, 1), (1, 1)), recordings(0, 1))
    assert found.excess == pytest.approx(-0.5)
    assert found.prompt_ids == ("p000",)


@pytest.mark.parametrize("beyond", [-0.01, 0.01])
def test_the_warning_begins_above_the_limit(beyond: float) -> None:
    words = 100
    errors = round(words * (MAX_DISAGREEMENT + beyond))
    prompts = [utterance(0, 0, n_words=words, second_word_errors=errors)]
    assert disagreement(prompts, recordings(0, 0)).is_too_large == (beyond > 0)


@pytest.mark.parametrize("without", ["prompts", "recordings"])
def test_without_a_second_opinion_nothing_is_said(without: str) -> None:
    prompts = rows((0, None)) if without == "prompts" else rows((0, 9))
    real = held_out(2) if without == "recordings" else recordings(0, 0)
    found = disagreement(prompts, real)
    assert math.isnan(found.excess)
    assert (found.is_too_large, found.prompt_ids) == (False, ())

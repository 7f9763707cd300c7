"""The many ways in which scores cannot be measured."""

from __future__ import annotations

import math

import pytest
from release_helpers import JUDGES, policy, scorecard, utterance, with_rows

from registry.gate.deciding import decide
from registry.gate.errors import CannotMeasure


def drop(*indices: int):
    def change(rows: list) -> None:
        for index in sorted(indices, reverse=True):
            del rows[index]

    return change


def replace(index: int, **changes: object):
    def change(rows: list) -> None:
        rows[index] = rows[index].model_copy(update=changes)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop(3), "the candidate lacks rows for p001 seed 1"),
        (drop(0, 1), "the candidate lacks p000 seed 0, p000 seed 1"),
        (lambda rows: rows.append(rows[0]), "more than one row for p000 seed 0"),
        (lambda rows: rows.append(utterance(0, 7)), "rows of unknown seeds: p000 seed 7"),
        (replace(0, similarity=None), "no similarity and no named failure in p000 seed 0"),
        (replace(0, similarity=math.nan), "no similarity and no named failure in p000 seed 0"),
        (replace(0, audio=""), "no audio and no named failure in p000 seed 0"),
        (replace(0, audio_sha256=""), "no audio and no named failure"),
        (replace(0, seconds=0.0), "no audio and no named failure"),
        (replace(0, seconds=math.nan), "no audio and no named failure"),
        (replace(0, reference="other words"), "different reference texts in p000 seed 0"),
        (replace(0, n_words=11), "different reference texts in p000 seed 0"),
        (lambda rows: rows.clear(), "has 0 scored prompts and gate.min_prompts is 10"),
    ],
)
def test_incomplete_candidate_is_not_measured(change, message):
    with pytest.raises(CannotMeasure, match=message):
        decide(with_rows(scorecard(), change), scorecard(), policy=policy())


def test_incomplete_champion_is_not_measured():
    with pytest.raises(CannotMeasure, match="the champion lacks rows for p001 seed 1"):
        decide(scorecard(), with_rows(scorecard(), drop(3)), policy=policy())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"judges": JUDGES.model_copy(update={"asr": "whisper"})}, "judges: the candidate has .*pocketsphinx.*whisper"),
        ({"judges": JUDGES.model_copy(update={"normalizer_version": "2"})}, "judges: "),
        ({"prompts_sha256": "f" * 64}, "prompts_sha256: "),
        ({"seeds": (0, 2)}, "seeds: "),
        ({"voice": "bob"}, "voice: the candidate has anna, the champion bob"),
    ],
)
def test_scores_of_other_judges_prompts_seeds_or_voices_are_not_compared(changes, message):
    with pytest.raises(CannotMeasure, match=message):
        decide(scorecard(), scorecard(**changes), policy=policy())


def test_every_fault_is_named_at_once():
    with pytest.raises(CannotMeasure) as raised:
        decide(with_rows(scorecard(), drop(0)), scorecard(prompts_sha256="f" * 64), policy=policy(min_prompts=30))
    for part in ("gate.min_prompts is 30", "lacks rows for p000 seed 0", "prompts_sha256"):
        assert part in str(raised.value)
    assert raised.value.exit_code == 2


def test_too_few_prompts_are_not_measured_and_exactly_enough_are():
    decide(scorecard(n_prompts=10), None, policy=policy(), first_release=True)
    with pytest.raises(CannotMeasure, match=r"has 9 scored prompts and gate\.min_prompts is 10"):
        decide(scorecard(n_prompts=9), None, policy=policy(), first_release=True)


def test_prompt_that_both_lack_is_found_where_the_set_is_known():
    ids = [f"p{number:03d}" for number in range(21)]
    with pytest.raises(CannotMeasure, match="not scored on exactly the prompt set: p020"):
        decide(scorecard(), scorecard(), policy=policy(), prompt_ids={"en": ids})
    assert decide(scorecard(), scorecard(), policy=policy(), prompt_ids={"en": ids[:20]}).outcome == "pass"

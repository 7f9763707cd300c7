"""Thresholds that are relative to the recordings, and thresholds on slices of the prompts."""

from __future__ import annotations

import pytest
from release_helpers import held_out, policy, scorecard, utterance

from metrics.scores import Scorecard
from registry.gate.deciding import decide
from registry.gate.errors import CannotMeasure
from registry.gate.policy import GatePolicy

RATIO = {
    "metric": "similarity",
    "at_least": 0.9,
    "relative_to": "recordings",
    "scale": "ratio",
    "unit": "ratio to the recordings",
    "reason": "x",
}
DIFFERENCE = {
    "metric": "wer",
    "at_most": 0.2,
    "relative_to": "recordings",
    "scale": "difference",
    "unit": "errors per word",
    "reason": "x",
}
RELATIVE = [RATIO, DIFFERENCE]


def with_recordings(card: Scorecard, **changes: object) -> Scorecard:
    return card.model_copy(update={"held_out": tuple(held_out(**changes))})


@pytest.mark.parametrize(
    ("similarity", "wer", "outcome"),
    [(0.8, 0.3, "pass"), (0.72, 0.3, "pass"), (0.71, 0.3, "fail"), (0.8, 0.4, "fail")],
)
def test_relative_threshold_compares_with_the_figures_of_the_recordings(similarity, wer, outcome):
    card = with_recordings(scorecard(wer=wer, similarity=similarity), similarity=0.8, word_errors=1)
    decision = decide(card, None, policy=policy(thresholds=RELATIVE), first_release=True)
    assert decision.outcome == outcome
    assert [one.recordings for one in decision.thresholds] == pytest.approx([0.8, 0.1])
    assert [one.value for one in decision.thresholds] == pytest.approx([similarity / 0.8, wer - 0.1])
    assert decision.recordings_figures["wer"] == pytest.approx(0.1)


def test_relative_threshold_shows_both_figures():
    card = with_recordings(scorecard(wer=0.4), similarity=0.8, word_errors=1)
    decision = decide(card, None, policy=policy(thresholds=RELATIVE), first_release=True)
    assert (
        "word error rate 0.4000 differs by +0.3000 from the recordings' 0.1000, must be at most +0.2000"
        in decision.reasons[0].text
    )
    assert "speaker similarity 0.8000 is 1.0000 times the recordings' 0.8000, must be at least 0.9000" in (
        decision.reasons[1].text
    )


@pytest.mark.parametrize(
    ("recordings", "message"),
    [
        ((), "no held-out recordings, and thresholds are relative to them"),
        (tuple(held_out(similarity=None)), "held-out recordings have no similarity: clip_0, clip_1, clip_2"),
        (tuple(held_out(similarity=-0.1)), "resemble their own voice by -0.100"),
    ],
)
def test_recordings_without_usable_figures_are_not_measured_where_a_threshold_needs_them(recordings, message):
    card = scorecard().model_copy(update={"held_out": recordings})
    with pytest.raises(CannotMeasure, match=message):
        decide(card, None, policy=policy(thresholds=RELATIVE), first_release=True)
    assert decide(card, None, policy=policy(), first_release=True).outcome == "pass"


def sliced(**changes: object) -> GatePolicy:
    threshold = {"metric": "wer", "at_most": 0.5, "unit": "errors per word", "reason": "x"}
    return policy(slices=[{"by": "category", "min_prompts": 4, "thresholds": [threshold]} | changes])


def with_categories(card: Scorecard, names: dict[int, str], word_errors: int) -> Scorecard:
    """Return the scorecard with the prompts of the given numbers in other categories and with other errors."""
    rows = [
        row.model_copy(update={"category": names[int(row.prompt_id[1:])], "word_errors": word_errors})
        if int(row.prompt_id[1:]) in names
        else row
        for row in card.rows
    ]
    return card.model_copy(update={"rows": tuple(rows)})


def test_slice_that_misses_its_threshold_fails_though_all_prompts_together_meet_theirs():
    card = with_categories(scorecard(), dict.fromkeys(range(4), "names"), word_errors=6)
    decision = decide(card, None, policy=sliced(), first_release=True)
    assert decision.outcome == "fail" and all(one.met for one in decision.thresholds)
    reason = decision.reasons[0]
    assert (reason.code, reason.metric, reason.slice) == ("threshold_missed", "wer", "category names")
    assert reason.text == (
        "slice category names: threshold missed: word error rate 0.6000 errors per word in category names (4 prompts), "
        "must be at most 0.5000"
    )
    assert decision.advice.startswith("Do not release it: slice category names. Listen first to p000, p001, p002")
    assert {one.slice: one.met for one in decision.slice_thresholds} == {
        "category everyday": True,
        "category names": False,
    }


def test_slice_with_too_few_prompts_is_named_as_not_checked():
    card = with_categories(scorecard(), dict.fromkeys(range(3), "names"), word_errors=10)
    decision = decide(card, None, policy=sliced(), first_release=True)
    assert decision.outcome == "pass"
    (reason,) = [reason for reason in decision.reasons if reason.code == "slice_too_small"]
    assert (reason.slice, reason.values) == ("category names", {"n_prompts": 3, "min_prompts": 4})
    assert reason.text == "slice not checked: category names has 3 prompts, its thresholds need 4"


def test_named_slice_with_too_few_prompts_is_not_measured():
    card = with_categories(scorecard(), dict.fromkeys(range(3), "names"), word_errors=1)
    with pytest.raises(CannotMeasure, match=r"slice category names has 3 prompts and gate\.slices needs 4"):
        decide(card, None, policy=sliced(only="names"), first_release=True)


@pytest.mark.parametrize(
    ("language", "limits"), [("en", (5, 6, 15, 16)), ("ja", (10, 11, 30, 31)), ("zh", (10, 11, 30, 31))]
)
def test_slices_by_length_follow_the_number_of_words_or_characters(language: str, limits: tuple[int, ...]):
    rows = [
        utterance(number, seed, n_words=n_words, reference="word " * n_words, language=language)
        for number, n_words in enumerate(n_words for n_words in limits for _ in range(4))
        for seed in (0, 1)
    ]
    card = scorecard(rows=rows, language=language)
    decision = decide(card, None, policy=sliced(by="length"), first_release=True)
    assert {one.slice: one.n_prompts for one in decision.slice_thresholds} == {
        "length short": 4,
        "length medium": 8,
        "length long": 4,
    }

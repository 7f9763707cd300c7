"""The gate: pass, fail, inconclusive, and the many ways of not being measured."""

from __future__ import annotations

import math

import pytest
from release_helpers import JUDGES, policy, scorecard, utterance

from metrics.scores import Scorecard
from registry.gate import judge
from registry.policy import GatePolicy
from registry.verdict import CannotMeasure


def with_rows(card: Scorecard, change) -> Scorecard:
    """The scorecard with `change` applied to the list of its rows; nothing is checked, as in a file edited by hand."""
    rows = list(card.rows)
    change(rows)
    return card.model_copy(update={"rows": tuple(rows)})


def test_first_release_within_the_bars_passes_and_says_so():
    judgement = judge(scorecard(), None, policy(), first_release=True)
    assert judgement.outcome == "pass" and judgement.first_release
    assert judgement.reasons[-1] == "first release: only the absolute bars were asked for, nothing was compared"
    assert judgement.comparisons == () and judgement.champion_figures is None


def test_no_champion_and_no_first_release_asked_is_inconclusive():
    judgement = judge(scorecard(), None, policy())
    assert judgement.outcome == "inconclusive"
    assert "no champion to compare with" in judgement.reasons[0]


def test_no_champion_and_a_missed_bar_fails():
    judgement = judge(scorecard(wer=0.4), None, policy())
    assert judgement.outcome == "fail"
    assert judgement.reasons[0] == "bar missed: wer 0.4000 errors per word, must be at most 0.3000"


def test_first_release_with_a_champion_is_not_measured():
    with pytest.raises(CannotMeasure, match="a first release was asked for, and there is a champion"):
        judge(scorecard(), scorecard(), policy(), first_release=True)


def test_figure_equal_to_the_bar_passes_and_just_beyond_fails():
    assert judge(scorecard(wer=0.3, similarity=0.5), None, policy(), first_release=True).outcome == "pass"
    beyond = with_rows(scorecard(wer=0.3), lambda rows: rows.__setitem__(0, utterance(0, 0, 4)))
    assert judge(beyond, None, policy(), first_release=True).outcome == "fail"
    assert judge(scorecard(similarity=0.4999), None, policy(), first_release=True).outcome == "fail"


def test_every_missed_bar_is_a_reason():
    card = with_rows(
        scorecard(wer=0.5, similarity=0.1),
        lambda rows: rows.__setitem__(slice(0, 4), [utterance(p, s, 5, 0.1, failures=("cut off",)) for p, s in
                                                     ((0, 0), (0, 1), (1, 0), (1, 1))]),
    )  # fmt: skip
    judgement = judge(card, None, policy(), first_release=True)
    assert [reason.split()[2] for reason in judgement.reasons[:3]] == ["wer", "similarity", "failed_share"]
    assert judgement.failures == {"cut off": 4}


def test_equal_candidate_passes():
    judgement = judge(scorecard(), scorecard(), policy())
    assert judgement.outcome == "pass"
    assert [one.outcome for one in judgement.comparisons] == ["not_worse", "not_worse"]
    assert judgement.comparisons[0].difference == 0 and judgement.comparisons[0].power == 1


def test_better_candidate_passes_and_worse_fails_though_within_the_bars():
    assert judge(scorecard(wer=0.1), scorecard(wer=0.2), policy()).outcome == "pass"
    judgement = judge(scorecard(wer=0.2), scorecard(wer=0.1), policy())
    assert judgement.outcome == "fail"
    assert judgement.reasons[0].startswith("worse than the margin allows: wer 0.2000 against the champion's 0.1000")


def test_voice_that_lost_its_likeness_fails():
    judgement = judge(scorecard(similarity=0.7), scorecard(similarity=0.8), policy())
    assert judgement.outcome == "fail"
    assert judgement.comparisons[1].difference == pytest.approx(-0.1)


def test_better_champion_by_a_little_with_noise_is_inconclusive():
    # 20 prompts, one in five has two errors more: +0.02 on average, nothing that so few prompts could settle
    candidate = with_rows(
        scorecard(wer=0.1),
        lambda rows: rows.__setitem__(slice(None), [utterance(p, s, 2 if p % 5 == 0 else 1)
                                                    for p in range(20) for s in (0, 1)]),
    )  # fmt: skip
    judgement = judge(candidate, scorecard(wer=0.1), policy())
    assert judgement.outcome == "inconclusive"
    assert judgement.reasons[0].startswith("not enough evidence: wer 0.1200 against the champion's 0.1000")
    assert 0 < judgement.comparisons[0].power < 1


def test_wer_pools_words_so_that_long_prompts_weigh_more():
    def stretch(rows: list, errors: int) -> None:
        for seed in (0, 1):
            rows[seed] = utterance(0, seed, errors, n_words=100, reference="long " * 100)

    candidate = with_rows(scorecard(wer=0.0), lambda rows: stretch(rows, 29))
    judgement = judge(candidate, None, policy(), first_release=True)
    assert judgement.figures["wer"] == pytest.approx(58 / (200 + 19 * 20))


def test_same_scores_give_the_same_judgement():
    assert judge(scorecard(wer=0.1), scorecard(wer=0.2), policy()) == judge(
        scorecard(wer=0.1), scorecard(wer=0.2), policy()
    )


def test_silent_utterance_counts_as_all_words_wrong():
    silent = utterance(0, 0, 0, None, failures=("empty",), audio="", audio_sha256="", seconds=0.0)
    judgement = judge(
        with_rows(scorecard(wer=0.0), lambda rows: rows.__setitem__(0, silent)), None, policy(), first_release=True
    )
    assert judgement.figures["wer"] == pytest.approx(10 / 400)
    assert judgement.figures["similarity"] == pytest.approx(0.8 * 39 / 40)
    assert judgement.figures["failed_share"] == pytest.approx(1 / 40)


def drop(*indices: int):
    def change(rows: list) -> None:
        for index in sorted(indices, reverse=True):
            del rows[index]

    return change


def swap(index: int, **changes: object):
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
        (swap(0, similarity=None), "no similarity and no named failure in p000 seed 0"),
        (swap(0, similarity=math.nan), "no similarity and no named failure in p000 seed 0"),
        (swap(0, audio=""), "no audio and no named failure in p000 seed 0"),
        (swap(0, audio_sha256=""), "no audio and no named failure"),
        (swap(0, seconds=0.0), "no audio and no named failure"),
        (swap(0, seconds=math.nan), "no audio and no named failure"),
        (swap(0, reference="other words"), "different reference texts in p000 seed 0"),
        (swap(0, n_words=11), "different reference texts in p000 seed 0"),
        (lambda rows: rows.clear(), "has 0 scored prompts and gate.min_prompts is 10"),
    ],
)
def test_incomplete_candidate_is_not_measured(change, message):
    with pytest.raises(CannotMeasure, match=message):
        judge(with_rows(scorecard(), change), scorecard(), policy())


def test_incomplete_champion_is_not_measured():
    with pytest.raises(CannotMeasure, match="the champion lacks rows for p001 seed 1"):
        judge(scorecard(), with_rows(scorecard(), drop(3)), policy())


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
        judge(scorecard(), scorecard(**changes), policy())


def test_every_fault_is_named_at_once():
    with pytest.raises(CannotMeasure) as raised:
        judge(with_rows(scorecard(), drop(0)), scorecard(prompts_sha256="f" * 64), policy(min_prompts=30))
    for part in ("gate.min_prompts is 30", "lacks rows for p000 seed 0", "prompts_sha256"):
        assert part in str(raised.value)


def test_too_few_prompts_are_not_measured_and_exactly_enough_are():
    judge(scorecard(n_prompts=10), None, policy(), first_release=True)
    with pytest.raises(CannotMeasure, match=r"has 9 scored prompts and gate\.min_prompts is 10"):
        judge(scorecard(n_prompts=9), None, policy(), first_release=True)


def test_prompt_that_both_lack_is_found_where_the_set_is_known():
    ids = [f"p{number:03d}" for number in range(21)]
    with pytest.raises(CannotMeasure, match="not scored on exactly the prompt set: p020"):
        judge(scorecard(), scorecard(), policy(), prompt_ids=ids)
    assert judge(scorecard(), scorecard(), policy(), prompt_ids=ids[:20]).outcome == "pass"


# the policy itself


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bars": []}, "at least 1 item"),
        ({"non_inferiority": []}, "at least 1 item"),
        ({"bars": [{"metric": "wer", "at_least": 0.3, "unit": "x", "reason": "x"}]}, "needs `at_most`"),
        ({"bars": [{"metric": "wer", "at_most": math.nan, "unit": "x", "reason": "x"}]}, "finite"),
        ({"bars": [{"metric": "mos", "at_most": 1, "unit": "x", "reason": "x"}]}, "'wer', 'cer'"),
        ({"non_inferiority": [{"metric": "wer", "margin": 0, "unit": "x", "reason": "x"}]}, "greater than 0"),
        ({"confidence": 0.5}, "greater than 0.5"),
        ({"n_resamples": 10}, "greater than or equal to 1000"),
        ({"lenient": True}, "Extra inputs"),
    ],
)
def test_policy_that_would_bless_anything_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        policy(**changes)


def test_policy_naming_a_metric_twice_is_refused():
    bar = {"metric": "wer", "at_most": 0.3, "unit": "x", "reason": "x"}
    with pytest.raises(ValueError, match="names wer more than once"):
        GatePolicy.model_validate(policy().model_dump() | {"bars": [bar, bar | {"at_most": 0.9}]})

"""The gate as a whole: pass, fail, inconclusive, and how rows count."""

from __future__ import annotations

import pytest
from release_helpers import policy, scorecard, utterance, with_prompt, with_rows

from metrics.scores import SecondJudges
from registry.gate.deciding import decide
from registry.gate.errors import CannotMeasure


def test_first_release_that_meets_the_thresholds_passes_with_a_reason_of_its_own():
    decision = decide(scorecard(), None, policy=policy(), first_release=True)
    assert decision.outcome == "pass" and decision.first_release
    assert decision.reasons[-1].code == "first_release"
    assert decision.reasons[-1].text == "first release: only the thresholds were checked, because there is no champion"
    assert decision.comparisons == () and decision.champion_figures is None


def test_no_champion_and_no_request_for_a_first_release_is_inconclusive():
    decision = decide(scorecard(), None, policy=policy())
    assert decision.outcome == "inconclusive"
    assert decision.reasons[0].code == "no_champion"


def test_no_champion_and_a_missed_threshold_fails():
    decision = decide(scorecard(wer=0.4), None, policy=policy())
    assert decision.outcome == "fail"
    reason = decision.reasons[0]
    assert (reason.code, reason.metric, reason.values["figure"]) == ("threshold_missed", "wer", 0.4)
    assert reason.text == (
        "misread words (+0.400 per word): threshold missed: word error rate 0.4000 errors per word, "
        "must be at most 0.3000"
    )


def test_first_release_with_a_champion_is_not_measured():
    with pytest.raises(CannotMeasure, match="a first release was requested, but there is a champion"):
        decide(scorecard(), scorecard(), policy=policy(), first_release=True)


def test_figure_equal_to_the_threshold_passes_and_just_beyond_it_fails():
    at_threshold = scorecard(wer=0.3, similarity=0.5)
    assert decide(at_threshold, None, policy=policy(), first_release=True).outcome == "pass"
    beyond = with_rows(scorecard(wer=0.3), lambda rows: rows.__setitem__(0, utterance(0, 0, 4)))
    assert decide(beyond, None, policy=policy(), first_release=True).outcome == "fail"
    assert decide(scorecard(similarity=0.4999), None, policy=policy(), first_release=True).outcome == "fail"


def test_equal_candidate_passes():
    decision = decide(scorecard(), scorecard(), policy=policy())
    assert decision.outcome == "pass"
    assert [one.outcome for one in decision.comparisons] == ["not_worse", "not_worse"]
    assert decision.comparisons[0].difference == 0 and decision.comparisons[0].power == 1


def test_better_candidate_passes_and_a_worse_one_fails_though_it_meets_the_thresholds():
    assert decide(scorecard(wer=0.1), scorecard(wer=0.2), policy=policy()).outcome == "pass"
    decision = decide(scorecard(wer=0.2), scorecard(wer=0.1), policy=policy())
    assert decision.outcome == "fail"
    assert (decision.reasons[0].code, decision.reasons[0].metric) == ("worse_than_champion", "wer")
    assert decision.reasons[0].text.startswith(
        "misread words (+0.100 per word): worse than the margin allows: word error rate 0.2000 against the "
        "champion's 0.1000"
    )


def test_voice_that_lost_speaker_similarity_fails():
    decision = decide(scorecard(similarity=0.7), scorecard(similarity=0.8), policy=policy())
    assert decision.outcome == "fail"
    assert decision.comparisons[1].difference == pytest.approx(-0.1)


def test_small_noisy_loss_is_inconclusive():
    # 20 prompts, one in five has two errors more: +0.02 on average, which so few prompts cannot settle
    rows = [utterance(p, s, 2 if p % 5 == 0 else 1) for p in range(20) for s in (0, 1)]
    decision = decide(scorecard(rows=rows), scorecard(wer=0.1), policy=policy())
    assert decision.outcome == "inconclusive"
    assert decision.reasons[0].code == "comparison_unclear"
    assert decision.reasons[0].text.startswith(
        "not enough evidence: word error rate 0.1200 against the champion's 0.1000"
    )
    assert 0 < decision.comparisons[0].power < 1


def test_word_error_rate_pools_words_so_that_long_prompts_weigh_more():
    def lengthen(rows: list) -> None:
        for seed in (0, 1):
            rows[seed] = utterance(0, seed, 29, n_words=100, reference="long " * 100)

    decision = decide(with_rows(scorecard(wer=0.0), lengthen), None, policy=policy(), first_release=True)
    assert decision.figures["wer"] == pytest.approx(58 / (200 + 19 * 20))


def test_same_scores_give_the_same_decision():
    decisions = [decide(scorecard(wer=0.1), scorecard(wer=0.2), policy=policy()) for _ in range(2)]
    assert decisions[0] == decisions[1]


def test_silent_utterance_counts_as_all_words_wrong():
    silent = utterance(0, 0, 0, None, failures=("empty",), audio="", audio_sha256="", seconds=0.0)
    card = with_rows(scorecard(wer=0.0), lambda rows: rows.__setitem__(0, silent))
    decision = decide(card, None, policy=policy(), first_release=True)
    assert decision.figures["wer"] == pytest.approx(10 / 400)
    assert decision.figures["similarity"] == pytest.approx(0.8 * 39 / 40)
    assert decision.figures["failed_share"] == pytest.approx(1 / 40)


def test_worst_prompts_come_first():
    decision = decide(with_prompt(scorecard(), 3, word_errors=5), scorecard(), policy=policy())
    worst = decision.worst_prompts[0]
    assert (worst.prompt_id, worst.wer, worst.champion_wer) == ("p003", 0.5, pytest.approx(0.1))


def test_second_opinions_do_not_change_a_byte_of_the_decision():
    def with_opinions(card):
        opinion = {"second_hypothesis": "", "second_word_errors": 10, "second_similarity": -1.0}
        rows = tuple(row.model_copy(update=opinion) for row in card.rows)
        return card.model_copy(update={"rows": rows, "second_judges": SecondJudges(asr="deaf", note="not measured")})

    without = decide(scorecard(), scorecard(), policy=policy())
    for candidate, champion in ((with_opinions(scorecard()), scorecard()), (scorecard(), with_opinions(scorecard()))):
        assert decide(candidate, champion, policy=policy()).model_dump_json() == without.model_dump_json()

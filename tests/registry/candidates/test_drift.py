"""Drift: what had changed if a version, scored again, does not score the same."""

from __future__ import annotations

from release_helpers import JUDGES, language_scores, preset_scores, scorecard, utterance

from registry.candidates.drift import find_degradations, find_drift

MARGINS = {"wer": 0.02, "similarity": 0.03}


def with_rows(card, change):
    """Return the scorecard with change(number, row) in place of every row."""
    return card.model_copy(update={"rows": tuple(change(number, row) for number, row in enumerate(card.rows))})


def with_changes(row, **changes):
    return row.model_copy(update=changes)


def test_equal_scores_are_no_drift():
    drift = find_drift(scorecard(), scorecard())
    assert drift.findings == ()
    assert find_degradations(drift, MARGINS) == []


def test_changed_version_of_a_judge_is_named_with_both_values():
    now = scorecard(judges=JUDGES.model_copy(update={"asr_version": "6.0"}))
    assert find_drift(scorecard(), now).judge == ("asr_version was 5.1.1 and is 6.0",)


def test_another_score_for_the_same_bytes_is_put_down_to_a_judge():
    now = with_rows(scorecard(), lambda n, row: with_changes(row, word_errors=5) if n < 3 else row)
    drift = find_drift(scorecard(), now)
    assert drift.judge == ("3 recordings or utterances with the same bytes got another score",)
    assert drift.environment == ()


def test_another_score_for_a_recording_is_put_down_to_a_judge_too():
    real = utterance(1, 0, 1)
    then, now = (scorecard(held_out=(with_changes(real, word_errors=errors),)) for errors in (1, 4))
    assert find_drift(then, now).judge == ("1 recordings or utterances with the same bytes got another score",)


def test_other_bytes_are_put_down_to_the_environment_whatever_they_score():
    now = with_rows(scorecard(), lambda n, row: with_changes(row, audio_sha256="f" * 64, word_errors=n % 3))
    drift = find_drift(scorecard(), now)
    assert drift.environment == ("40 of 40 utterances are other bytes than when the version was scored",)
    assert drift.judge == ()


def test_other_prompts_or_seeds_forbid_a_comparison():
    now = scorecard(prompts_sha256="0" * 64, seeds=(0,))
    assert [line.split()[0] for line in find_drift(scorecard(), now).questions] == ["prompts_sha256", "seeds"]


def test_only_a_loss_beyond_the_margin_is_a_degradation():
    def losses(**figures):
        return find_degradations(find_drift(scorecard(wer=0.1, similarity=0.8), scorecard(**figures)), MARGINS)

    assert losses(wer=0.1, similarity=0.78) == []
    assert losses(wer=0.0, similarity=0.9) == []
    assert losses(wer=0.2, similarity=0.7) == [
        "wer was 0.1000 and is 0.2000, more than the margin of 0.0200 worse",
        "similarity was 0.8000 and is 0.7000, more than the margin of 0.0300 worse",
    ]


def test_similarity_that_can_no_longer_be_measured_is_a_degradation():
    now = with_rows(scorecard(), lambda n, row: with_changes(row, similarity=None) if n == 0 else row)
    assert len(find_degradations(find_drift(scorecard(), now), MARGINS)) == 1


def test_a_second_opinion_that_is_not_asked_again_is_no_drift():
    then = with_rows(scorecard(), lambda n, row: with_changes(row, second_hypothesis="a", second_word_errors=9))
    assert find_drift(then, scorecard()).findings == ()


def test_language_that_is_no_longer_scored_is_named_and_a_new_one_is_no_drift():
    with_zh = scorecard(other_languages=(language_scores(),))
    (question,) = find_drift(with_zh, scorecard()).questions
    assert question.startswith("the language zh was scored then and is not scored now")
    assert find_drift(scorecard(), with_zh).findings == ()


def test_changes_in_another_language_are_named_with_the_language():
    zh = language_scores()
    heard = [with_changes(row, word_errors=5) for row in zh.rows]
    then = scorecard(other_languages=(zh,))
    other_normalizer, other_scores = (
        find_drift(then, scorecard(other_languages=(language_scores(**changes),)))
        for changes in ({"normalizer_version": "2"}, {"rows": heard})
    )
    assert other_normalizer.judge == ("in zh, normalizer_version then and now differ (1 and 2)",)
    assert other_scores.judge == ("24 recordings or utterances with the same bytes got another score",)


def test_preset_that_sounds_different_or_is_not_scored_any_more_is_drift():
    part = preset_scores()
    changed = part.rows[0].model_copy(update={"audio_sha256": "0" * 64})
    other = part.model_copy(update={"rows": (changed, *part.rows[1:])})
    then = scorecard(presets=[part])
    assert find_drift(then, then).findings == ()
    assert find_drift(then, scorecard(presets=[other])).environment
    assert "the preset dialogue was scored then" in find_drift(then, scorecard()).questions[0]

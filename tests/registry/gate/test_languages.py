"""The gate in languages besides the voice's own."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from release_helpers import language_rules, language_scores, policy, scorecard, utterance

from metrics.scores import Scorecard
from registry.gate.deciding import decide
from registry.gate.decision import Decision
from registry.gate.errors import CannotMeasure
from registry.gate.policy import parse_policy
from registry.gate.reasons.codes import ReasonCode

RULES = policy(other_languages={"zh": language_rules()})
GUARDED = policy(
    other_languages={"zh": language_rules(regressed_prompts={"at_most": 0, "min_seeds": 2, "reason": "test"})}
)
FEW_RESAMPLES = policy(n_resamples=1000, other_languages={"zh": language_rules(), "ja": language_rules()})


def speaking(*parts, **changes: object) -> Scorecard:
    return scorecard(other_languages=parts, **changes)


def codes(decision: Decision) -> list[ReasonCode]:
    return [reason.code for reason in decision.reasons]


def test_figures_of_the_voice_do_not_move_with_another_language():
    alone = decide(scorecard(), scorecard(), policy=policy())
    with_zh = decide(speaking(language_scores(wer=0.4)), speaking(language_scores(wer=0.4)), policy=RULES)
    for name in ("figures", "champion_figures", "failures", "thresholds", "comparisons", "n_prompts", "worst_prompts"):
        assert getattr(alone, name) == getattr(with_zh, name)
    assert with_zh.outcome == alone.outcome == "pass"
    (zh,) = with_zh.other_languages
    assert zh.language == "zh" and zh.figures["wer"] == pytest.approx(0.4) and zh.n_prompts == 12


def test_missed_threshold_in_another_language_fails_and_names_the_language():
    decision = decide(speaking(language_scores(wer=0.6)), None, policy=RULES, first_release=True)
    assert decision.outcome == "fail"
    first = decision.reasons[0]
    assert (first.code, first.slice, first.metric) == (ReasonCode.THRESHOLD_MISSED, "language zh", "wer")
    assert first.text.startswith("language zh") and "zh_000" in decision.advice


def test_own_language_missing_its_threshold_comes_before_another_language():
    decision = decide(speaking(language_scores(wer=0.6), wer=0.4), None, policy=RULES, first_release=True)
    missed = [reason.slice for reason in decision.reasons if reason.code == ReasonCode.THRESHOLD_MISSED]
    assert missed == ["", "language zh"]


def test_own_thresholds_do_not_apply_to_another_language():
    assert decide(speaking(language_scores(wer=0.4)), None, policy=RULES, first_release=True).outcome == "pass"
    assert decide(speaking(wer=0.4), None, policy=policy(), first_release=True).outcome == "fail"


def test_another_language_worse_than_the_champion_fails_by_its_own_margin():
    champion = speaking(language_scores(wer=0.1))
    decision = decide(speaking(language_scores(wer=0.3)), champion, policy=RULES)
    assert decision.outcome == "fail"
    assert (decision.reasons[0].code, decision.reasons[0].slice) == (ReasonCode.WORSE_THAN_CHAMPION, "language zh")


def test_prompt_lost_in_another_language_fails():
    zh = language_scores()
    rows = tuple(
        row.model_copy(update={"word_errors": 10, "failures": ("cut_off",)}) if row.prompt_id == "zh_003" else row
        for row in zh.rows
    )
    decision = decide(speaking(zh.model_copy(update={"rows": rows})), speaking(zh), policy=GUARDED)
    regressed = next(reason for reason in decision.reasons if reason.code == ReasonCode.PROMPTS_REGRESSED)
    assert decision.outcome == "fail" and (regressed.slice, regressed.prompts) == ("language zh", ("zh_003",))


def test_language_without_rules_is_never_passed():
    decision = decide(speaking(language_scores()), None, policy=policy(), first_release=True)
    assert decision.outcome == "inconclusive" and ReasonCode.LANGUAGE_WITHOUT_RULES in codes(decision)
    assert "gate.other_languages" in decision.advice


def test_language_with_rules_that_was_not_scored_leaves_it_open():
    decision = decide(scorecard(), scorecard(), policy=RULES)
    assert decision.outcome == "inconclusive" and ReasonCode.LANGUAGE_NOT_SCORED in codes(decision)
    assert "evaluate.other_languages" in decision.advice


@pytest.mark.parametrize("rules", [RULES, policy()], ids=["with rules", "without rules"])
def test_language_that_only_the_champion_has_is_a_regression(rules):
    decision = decide(scorecard(), speaking(language_scores()), policy=rules)
    assert decision.outcome == "fail" and decision.reasons[0].code == ReasonCode.LANGUAGE_LOST
    assert "zh" in decision.advice


def test_language_that_the_champion_lacks_is_judged_by_its_thresholds():
    good = decide(speaking(language_scores()), scorecard(), policy=RULES)
    bad = decide(speaking(language_scores(wer=0.6)), scorecard(), policy=RULES)
    assert good.outcome == "pass" and ReasonCode.LANGUAGE_NEW in codes(good)
    assert bad.outcome == "fail"


def test_rules_for_the_own_language_of_a_voice_are_not_missed():
    rules = policy(other_languages={"en": language_rules(), "zh": language_rules()})
    assert decide(speaking(language_scores()), None, policy=rules, first_release=True).outcome == "pass"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"normalizer_version": "2"}, "normalizer_version in zh: the candidate has 2, the champion 1"),
        ({"normalizer": "words"}, "normalizer in zh: the candidate has words"),
        ({"prompts_sha256": "0" * 64}, "prompts_sha256 in zh: the candidate has 000"),
        ({"seeds": (0, 1, 2)}, "seeds in zh"),
    ],
)
def test_other_languages_scored_differently_are_not_compared(changes, message):
    with pytest.raises(CannotMeasure, match=message):
        decide(speaking(language_scores(**changes)), speaking(language_scores()), policy=RULES)


def test_missing_row_of_another_language_is_not_measured():
    zh = language_scores()
    cut = zh.model_copy(update={"rows": zh.rows[:-1]})
    with pytest.raises(CannotMeasure, match="the candidate in zh lacks rows for zh_011 seed 1"):
        decide(speaking(cut), None, policy=RULES, first_release=True)


def test_too_few_prompts_of_another_language_are_not_measured():
    with pytest.raises(CannotMeasure, match="the candidate in zh has 5 scored prompts"):
        decide(speaking(language_scores(n_prompts=5)), None, policy=RULES, first_release=True)


def test_rows_of_another_language_among_those_of_the_voice_are_not_measured():
    rows = [utterance(p, 0, language="zh" if p == 4 else "en") for p in range(20)]
    with pytest.raises(CannotMeasure, match="the candidate has rows that are not in en: p004 seed 0"):
        decide(scorecard(rows=rows, seeds=(0,)), None, policy=policy(), first_release=True)


def test_prompt_that_both_lack_in_another_language_is_found():
    card = speaking(language_scores())
    with pytest.raises(CannotMeasure, match="the candidate in zh was not scored on exactly the prompt set: zh_999"):
        decide(
            card, card, policy=RULES, prompt_ids={"zh": [*{row.prompt_id for row in language_scores().rows}, "zh_999"]}
        )


def test_silence_in_another_language_counts_as_all_words_wrong():
    rows = [
        row.model_copy(update={"audio": "", "seconds": 0.0, "failures": ("empty",), "similarity": None})
        for row in language_scores().rows
    ]
    decision = decide(speaking(language_scores(rows=rows)), None, policy=RULES, first_release=True)
    assert decision.outcome == "fail" and decision.other_languages[0].figures["wer"] == 1.0


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"xx": language_rules()}, "'xx' is not a language with prompts"),
        ({"zh": language_rules(thresholds=[])}, "other_languages.zh.thresholds: Tuple should have at least 1"),
        ({"zh": language_rules(lenient=True)}, "other_languages.zh.lenient: Extra inputs"),
        (
            {
                "zh": language_rules(
                    thresholds=[
                        {
                            "metric": "wer", "at_most": 0.3, "relative_to": "recordings", "scale": "difference",
                            "unit": "errors per word", "reason": "x",
                        }
                    ]
                )
            },
            "which are in the voice's own language",
        ),
        (
            {
                "zh": language_rules(
                    thresholds=[{"metric": "wer", "at_most": 0.04, "unit": "errors per word", "reason": "x"}]
                )
            },
            "gate.other_languages.zh: .*the margin would decide nothing",
        ),
    ],
)  # fmt: skip
def test_rules_that_cannot_decide_are_refused(rules, message):
    with pytest.raises(ValueError, match=message):
        parse_policy(policy().model_dump(mode="json") | {"other_languages": rules})


OUTCOMES = ("fail", "inconclusive", "pass")
SCORES = st.one_of(st.none(), st.sampled_from([0.0, 0.1, 0.3, 0.6]))


@settings(deadline=None, max_examples=40)
@given(zh=SCORES, ja=SCORES, champion_zh=SCORES, wer=st.sampled_from([0.1, 0.4]))
def test_another_language_never_improves_the_outcome(zh, ja, champion_zh, wer):
    """Whatever is scored in other languages, the outcome is at most that of the voice's own language."""

    def card(own: float, **languages: float | None) -> Scorecard:
        parts = [language_scores(name, wer=rate) for name, rate in languages.items() if rate is not None]
        return scorecard(wer=own, other_languages=parts)

    alone = decide(scorecard(wer=wer), scorecard(), policy=policy(n_resamples=1000))
    decision = decide(card(wer, zh=zh, ja=ja), card(0.1, zh=champion_zh), policy=FEW_RESAMPLES)
    assert OUTCOMES.index(decision.outcome) <= OUTCOMES.index(alone.outcome)
    if zh is None or ja is None or max(zh, ja) > 0.5:
        assert decision.outcome != "pass"
    assert decision.figures == alone.figures

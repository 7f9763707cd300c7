"""The gate with presets besides the voice's default one."""

from __future__ import annotations

import pytest
from release_helpers import language_rules, make_verdict, policy, preset_scores, scorecard, utterance

from metrics.scores import Scorecard
from registry.gate.deciding import decide
from registry.gate.decision import Decision
from registry.gate.errors import CannotMeasure
from registry.gate.policy import parse_policy
from registry.gate.reasons.codes import ReasonCode

RULES = policy(n_resamples=1000, presets={"dialogue": language_rules()})
RETIRED = policy(n_resamples=1000, retired=["preset dialogue"])


def speaking(*parts, **changes: object) -> Scorecard:
    return scorecard(presets=parts, **changes)


def codes(decision: Decision) -> list[ReasonCode]:
    return [reason.code for reason in decision.reasons]


def first_release(card: Scorecard, rules=RULES) -> Decision:
    return decide(card, None, policy=rules, first_release=True)


def test_preset_has_its_own_figures_and_leaves_those_of_the_voice_alone():
    alone = first_release(scorecard(), policy(n_resamples=1000))
    decision = first_release(speaking(preset_scores(wer=0.4)))
    assert (decision.figures, decision.thresholds) == (alone.figures, alone.thresholds)
    (dialogue,) = decision.presets
    assert (dialogue.name, dialogue.outcome, dialogue.n_prompts) == ("dialogue", "pass", 12)
    assert dialogue.figures["wer"] == pytest.approx(0.4) and dialogue.settings_sha256 == "5" * 64


def test_missed_threshold_of_a_preset_fails_the_candidate_and_names_the_preset():
    decision = first_release(speaking(preset_scores(wer=0.6)))
    reason = decision.reasons[0]
    assert decision.outcome == decision.presets[0].outcome == "fail"
    assert (reason.code, reason.slice, reason.metric) == (ReasonCode.THRESHOLD_MISSED, "preset dialogue", "wer")
    assert reason.text.startswith("preset dialogue") and "p000" in decision.advice


def test_bad_voice_does_not_make_its_good_preset_bad():
    decision = first_release(speaking(preset_scores(), wer=0.5))
    assert (decision.outcome, decision.presets[0].outcome) == ("fail", "pass")


def test_preset_worse_than_the_champions_fails_by_its_own_margin_whatever_its_settings_are():
    champion = speaking(preset_scores(settings_sha256="6" * 64))
    worse = decide(speaking(preset_scores(wer=0.3)), champion, policy=RULES)
    equal = decide(speaking(preset_scores()), champion, policy=RULES)
    assert (worse.outcome, worse.reasons[0].code) == ("fail", ReasonCode.WORSE_THAN_CHAMPION)
    assert worse.reasons[0].slice == "preset dialogue" and equal.outcome == "pass"


@pytest.mark.parametrize(
    ("candidate", "champion", "rules", "outcome", "code", "advice"),
    [
        ([], [preset_scores()], RULES, "fail", ReasonCode.PRESET_LOST, "Score it with dialogue in presets"),
        ([], [preset_scores()], policy(), "fail", ReasonCode.PRESET_LOST, "`preset dialogue` into gate.retired"),
        ([], [preset_scores()], RETIRED, "pass", ReasonCode.PRESET_RETIRED, "Promote it"),
        ([preset_scores()], [], RETIRED, "inconclusive", ReasonCode.PRESET_WITHOUT_RULES, "into gate.presets"),
        ([], [], RULES, "inconclusive", ReasonCode.PRESET_NOT_SCORED, "add dialogue to presets"),
        ([preset_scores()], [], policy(), "inconclusive", ReasonCode.PRESET_WITHOUT_RULES, "into gate.presets"),
        ([preset_scores()], [], RULES, "pass", ReasonCode.PRESET_NEW, "Promote it"),
    ],
    ids=["lost", "lost without rules", "retired", "retired and scored", "not scored", "without rules", "new"],
)
def test_preset_that_only_one_side_has_is_never_passed_unjudged(candidate, champion, rules, outcome, code, advice):
    decision = decide(speaking(*candidate), speaking(*champion), policy=rules)
    assert decision.outcome == outcome and code in codes(decision) and advice in decision.advice


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (preset_scores(prompts_sha256="0" * 64), "prompts_sha256 with preset dialogue: the candidate has 000"),
        (preset_scores(seeds=(0, 1, 2)), "seeds with preset dialogue"),
        (preset_scores(rows=preset_scores().rows[:-1]), "with preset dialogue lacks rows for p011 seed 1"),
        (preset_scores(n_prompts=5), "the candidate with preset dialogue has 5 scored prompts"),
        (
            preset_scores(rows=[utterance(p, 0, language="zh") for p in range(12)], seeds=(0,)),
            "the candidate with preset dialogue has rows that are not in en",
        ),
    ],
    ids=["prompts", "seeds", "row", "few", "language"],
)
def test_preset_scored_incompletely_or_differently_is_not_measured(part, message):
    with pytest.raises(CannotMeasure, match=message):
        decide(speaking(part), speaking(preset_scores()), policy=RULES)


def test_prompt_that_both_lack_and_a_repeated_preset_are_found():
    card = speaking(preset_scores(), preset_scores())
    with pytest.raises(CannotMeasure, match=r"more than one set of scores with preset dialogue.*not scored on exactly"):
        decide(card, card, policy=RULES, prompt_ids={"preset dialogue": ["p999"]})


def test_rules_of_a_preset_that_cannot_decide_are_refused():
    raw = policy().model_dump(mode="json")
    thresholds = [{"metric": "wer", "at_most": 0.04, "unit": "errors per word", "reason": "x"}]
    with pytest.raises(ValueError, match=r"gate\.presets\.dialogue: .*the margin would decide nothing"):
        parse_policy(raw | {"presets": {"dialogue": language_rules(thresholds=thresholds)}})


def test_preset_that_is_retired_and_has_rules_is_refused():
    raw = RULES.model_dump(mode="json")
    with pytest.raises(ValueError, match=r"gate\.retired names preset dialogue, and gate\.presets has rules for it"):
        parse_policy(raw | {"retired": ["preset dialogue"]})


def test_verdict_shows_the_preset_to_people_and_to_ci():
    from registry.verdicts.junit import to_junit
    from registry.verdicts.markdown import to_markdown
    from registry.verdicts.store import SignedVerdict

    signed = SignedVerdict(make_verdict(speaking(preset_scores(wer=0.6)), None, RULES), "0" * 64, None)
    assert "### Preset dialogue: fail" in to_markdown(signed)
    assert 'name="threshold wer, preset dialogue"' in to_junit(signed)

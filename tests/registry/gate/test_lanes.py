"""The gate in lanes besides batch: they decide where a voice is served, and the release only where one is lost."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from release_helpers import lane_scores, language_rules, make_verdict, policy, scorecard, utterance

from metrics.scores import Scorecard
from registry.gate.deciding import decide
from registry.gate.decision import Decision
from registry.gate.errors import CannotMeasure
from registry.gate.policy import parse_policy
from registry.gate.reasons.codes import ReasonCode

RULES = policy(n_resamples=1000, lanes={"realtime": language_rules()})
WITHOUT_RULES = policy(n_resamples=1000)
RETIRED = policy(n_resamples=1000, retired=["lane realtime"])
GOOD, BAD = lane_scores(), lane_scores(wer=0.6)
UNCLEAR = lane_scores(rows=[utterance(p, 0, 5 if p < 2 else 1) for p in range(12)])


def streaming(*lanes, **changes: object) -> Scorecard:
    return scorecard(lanes=lanes, **changes)


def about_lanes(decision: Decision) -> list[ReasonCode]:
    return [reason.code for reason in decision.reasons if reason.slice == "lane realtime"]


def test_lane_worse_than_the_voice_in_batch_leaves_the_release_alone_and_says_that_it_is_not_offered():
    alone = decide(scorecard(), scorecard(), policy=WITHOUT_RULES)
    decision = decide(streaming(BAD), scorecard(), policy=RULES)
    (lane,) = decision.lanes
    assert (decision.outcome, lane.outcome, lane.figures["wer"]) == ("pass", "fail", pytest.approx(0.6))
    assert (decision.figures, decision.thresholds, decision.comparisons) == (
        alone.figures,
        alone.thresholds,
        alone.comparisons,
    )
    assert (lane.reasons[0].code, lane.reasons[0].metric) == (ReasonCode.THRESHOLD_MISSED, "wer")
    assert lane.reasons[0].text.startswith("lane realtime")
    note = decision.reasons[-1]
    assert note.code == ReasonCode.LANE_NOT_PASSED and "the voice is not served in it" in note.text
    assert decision.advice == "Promote it. It will not be served in lane realtime."


def test_bad_voice_does_not_make_its_good_lane_bad():
    decision = decide(streaming(lane_scores(seeds=(0,)), n_prompts=20), None, policy=RULES, first_release=True)
    worse = decide(streaming(GOOD, similarity=0.1), None, policy=RULES, first_release=True)
    assert (decision.outcome, decision.lanes[0].outcome) == ("pass", "pass")
    assert (worse.outcome, worse.lanes[0].outcome) == ("fail", "pass")


def test_lane_worse_than_the_champions_by_more_than_its_margin_is_not_offered():
    decision = decide(streaming(lane_scores(wer=0.3)), streaming(GOOD), policy=RULES)
    assert (decision.outcome, decision.lanes[0].outcome) == ("pass", "fail")
    assert decision.lanes[0].reasons[0].code == ReasonCode.WORSE_THAN_CHAMPION


@pytest.mark.parametrize(
    ("lanes", "rules", "outcome", "codes", "advice"),
    [
        ([GOOD], RULES, "pass", [ReasonCode.LANE_PASSED], "Promote it"),
        ([BAD], RULES, "fail", [ReasonCode.LANE_LOST, ReasonCode.LANE_NOT_PASSED], "`lane realtime` into gate.retired"),
        (
            [UNCLEAR],
            RULES,
            "inconclusive",
            [ReasonCode.LANE_UNCLEAR, ReasonCode.LANE_NOT_PASSED],
            "raise evaluate.lanes.realtime.n_seeds",
        ),
        ([], RULES, "fail", [ReasonCode.LANE_LOST, ReasonCode.LANE_NOT_SCORED], "Make a version that passes in it"),
        ([GOOD], WITHOUT_RULES, "fail", [ReasonCode.LANE_LOST, ReasonCode.LANE_WITHOUT_RULES], "Do not release it"),
        ([], WITHOUT_RULES, "fail", [ReasonCode.LANE_LOST], "Do not release it: lane realtime"),
        ([], RETIRED, "pass", [ReasonCode.LANE_RETIRED], "Promote it"),
        ([BAD], RETIRED, "pass", [ReasonCode.LANE_WITHOUT_RULES, ReasonCode.LANE_RETIRED], "Promote it"),
    ],
    ids=["kept", "bad", "unclear", "not scored", "no rules", "nothing", "retired", "retired and scored"],
)
def test_lane_that_the_champion_is_served_in_is_lost_only_where_the_policy_retires_it(
    lanes, rules, outcome, codes, advice
):
    decision = decide(streaming(*lanes), streaming(GOOD), policy=rules, lanes_in_service=["realtime"])
    assert (decision.outcome, about_lanes(decision)) == (outcome, codes)
    assert advice in decision.advice


@pytest.mark.parametrize(
    ("lanes", "rules", "code"),
    [
        ([GOOD], RULES, ReasonCode.LANE_NEW),
        ([BAD], RULES, ReasonCode.LANE_NOT_PASSED),
        ([], RULES, ReasonCode.LANE_NOT_SCORED),
        ([GOOD], WITHOUT_RULES, ReasonCode.LANE_WITHOUT_RULES),
    ],
    ids=["new", "bad", "not scored", "no rules"],
)
def test_lane_that_nobody_relies_on_never_decides_about_the_release(lanes, rules, code):
    decision = decide(streaming(*lanes), scorecard(), policy=rules)
    assert (decision.outcome, about_lanes(decision)) == ("pass", [code])
    passed = [lane.name for lane in decision.lanes if lane.outcome == "pass"]
    assert passed == (["realtime"] if code == ReasonCode.LANE_NEW else [])


def test_lane_without_rules_is_inconclusive_because_nothing_was_checked():
    (lane,) = decide(streaming(GOOD), scorecard(), policy=WITHOUT_RULES).lanes
    assert (lane.outcome, lane.thresholds, lane.reasons) == ("inconclusive", (), ())


@given(wer=st.integers(0, 9), own=st.integers(0, 9), served=st.booleans(), scored=st.booleans())
@settings(max_examples=25)
def test_lane_never_improves_the_outcome_and_changes_it_only_where_one_in_service_is_lost(wer, own, served, scored):
    lanes = (lane_scores(n_prompts=8, wer=wer / 10),) if scored else ()
    champion = streaming(lane_scores(n_prompts=8), wer=0.2)
    batch = decide(scorecard(wer=own / 10), champion, policy=WITHOUT_RULES)
    decision = decide(
        streaming(*lanes, wer=own / 10), champion, policy=RULES, lanes_in_service=["realtime"] if served else []
    )
    passed = any(lane.outcome == "pass" for lane in decision.lanes)
    severity = ["pass", "inconclusive", "fail"].index
    assert severity(decision.outcome) >= severity(batch.outcome)
    if passed or not served:
        assert decision.outcome == batch.outcome
    else:
        assert decision.outcome != "pass"


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (lane_scores(prompts_sha256="0" * 64), "prompts_sha256 in lane realtime: the candidate has 000"),
        (lane_scores(seeds=(0, 1)), "seeds in lane realtime"),
        (lane_scores(seeds=(7,)), r"in lane realtime has rows with another prompt, seed or text .*p000 seed 7"),
        (lane_scores(rows=GOOD.rows[:-1]), "the candidate lacks p011 seed 0"),
        (lane_scores(n_prompts=5), "the candidate in lane realtime has 5 scored prompts"),
        (
            lane_scores(rows=[utterance(p + 50, 0) for p in range(12)]),
            "another prompt, seed or text than the voice itself: p050 seed 0",
        ),
        (
            lane_scores(rows=[utterance(p, 0, reference="an easier text") for p in range(12)]),
            "another prompt, seed or text than the voice itself: p000 seed 0",
        ),
        (
            lane_scores(rows=[utterance(p, 0, language="zh") for p in range(12)]),
            "the candidate in lane realtime has rows that are not in en",
        ),
    ],
    ids=["prompts", "seeds", "unknown seed", "row", "few", "other prompts", "other text", "language"],
)
def test_lane_scored_incompletely_or_differently_is_not_measured(part, message):
    with pytest.raises(CannotMeasure, match=message):
        decide(streaming(part), streaming(GOOD), policy=RULES)


def test_repeated_lane_and_one_on_other_prompts_than_the_locked_ones_are_found():
    with pytest.raises(CannotMeasure, match=r"more than one set of scores in lane realtime.*not scored on exactly"):
        decide(streaming(GOOD, GOOD), scorecard(), policy=RULES, prompt_ids={"lane realtime": ["p000"]})


def test_policy_with_a_retired_lane_that_has_rules_or_an_unknown_lane_is_refused():
    raw = RULES.model_dump(mode="json")
    with pytest.raises(ValueError, match=r"gate\.retired names lane realtime, and gate\.lanes has rules for it"):
        parse_policy(raw | {"retired": ["lane realtime"]})
    with pytest.raises(ValueError, match=r"gate\.lanes\.batch"):
        parse_policy(raw | {"lanes": {"batch": language_rules()}})


def test_verdict_shows_the_lane_to_people_and_does_not_turn_ci_red_where_it_alone_failed():
    import xml.etree.ElementTree as ElementTree

    from registry.verdicts.junit import to_junit
    from registry.verdicts.markdown import to_markdown
    from registry.verdicts.store import SignedVerdict

    signed = SignedVerdict(make_verdict(streaming(BAD), None, RULES), "0" * 64, None)
    page, suites = to_markdown(signed), ElementTree.fromstring(to_junit(signed))
    assert "### Lane realtime: fail, so not offered" in page
    assert suites.get("failures") == "0"
    skipped = [case.get("name") for case in suites.iter("testcase") if case.find("skipped") is not None]
    assert skipped == ["lane realtime threshold_missed wer"]

"""Reason codes: documented, stable, and with the values that the documentation names."""

from __future__ import annotations

from typing import get_args

import pytest
from project import ROOT
from release_helpers import (
    held_out,
    lane_scores,
    language_rules,
    language_scores,
    policy,
    preset_scores,
    scorecard,
    utterance,
    with_prompt,
)

from registry.gate.deciding import decide
from registry.gate.decision import Decision, Outcome
from registry.gate.preference import PreferenceVotes
from registry.gate.reasons.codes import (
    CAUSE_CODES,
    RANK_MEANINGS,
    REASON_CODES,
    CauseCode,
    Rank,
    ReasonCode,
)
from registry.gate.reasons.codes_page import reason_codes_page
from registry.gate.reasons.text import cause_text, reason_text

WER = {"metric": "wer", "at_most": 0.3, "unit": "errors per word", "reason": "x"}
SEVERITY = {"fail": 0, "inconclusive": 1, "pass": 2}


def votes(won: int, lost: int) -> PreferenceVotes:
    return PreferenceVotes(n_candidate=won, n_champion=lost, n_ties=0, n_listeners=2)


def noisy(n_errors: int):
    rows = [utterance(p, s, n_errors if p % 5 == 0 else 1) for p in range(20) for s in (0, 1)]
    return scorecard(rows=rows)


def unclear_lane():
    """Return a voice whose streamed speech may be worse than 0.1 errors per word by the margin of 0.05, or not."""
    rows = [utterance(p, 0, 5 if p < 2 else 1) for p in range(12)]
    return scorecard(lanes=(lane_scores(rows=rows),))


@pytest.fixture(scope="module")
def decisions() -> list[Decision]:
    """Decisions that together have every reason code."""
    gain = {"metric": "wer", "at_least": 0.015, "unit": "errors per word", "reason": "x"}
    listened = policy(preference={"min_votes": 20, "worse_than": 0.4, "reason": "x"}, superiority=gain)
    guarded = policy(regressed_prompts={"at_most": 0, "min_seeds": 3, "reason": "x"})
    sliced = policy(slices=[{"by": "category", "min_prompts": 21, "thresholds": [WER]}])
    speaking = policy(other_languages={"zh": language_rules()})
    zh = scorecard(other_languages=(language_scores("zh"),))
    with_preset, dialogue = policy(presets={"dialogue": language_rules()}), scorecard(presets=(preset_scores(),))
    champion = scorecard(n_prompts=100, seeds=(0, 1, 2))
    in_lane, streamed = policy(lanes={"realtime": language_rules()}), scorecard(lanes=(lane_scores(),))
    return [
        decide(streamed, streamed, policy=in_lane, lanes_in_service=["realtime"]),
        decide(streamed, scorecard(), policy=in_lane),
        decide(scorecard(lanes=(lane_scores(wer=0.6),)), streamed, policy=in_lane),
        decide(scorecard(), streamed, policy=in_lane),
        decide(streamed, streamed, policy=policy()),
        decide(scorecard(), streamed, policy=in_lane, lanes_in_service=["realtime"]),
        decide(unclear_lane(), streamed, policy=in_lane, lanes_in_service=["realtime"]),
        decide(scorecard(), streamed, policy=policy(retired=["lane realtime"]), lanes_in_service=["realtime"]),
        decide(scorecard(wer=0.4), None, policy=sliced, first_release=True),
        decide(scorecard(), None, policy=policy()),
        decide(scorecard(wer=0.2), scorecard(), policy=listened, votes=votes(8, 42)),
        decide(scorecard(), scorecard(wer=0.2), policy=listened, votes=votes(40, 20)),
        decide(noisy(0), scorecard(), policy=listened, votes=votes(17, 17)),
        decide(noisy(2), scorecard(), policy=listened),
        decide(scorecard(), zh, policy=speaking),
        decide(scorecard(), scorecard(), policy=speaking),
        decide(zh, scorecard(), policy=speaking),
        decide(zh, zh, policy=policy()),
        decide(scorecard(), dialogue, policy=with_preset),
        decide(scorecard(), scorecard(), policy=with_preset),
        decide(dialogue, scorecard(), policy=with_preset),
        decide(dialogue, dialogue, policy=policy()),
        decide(scorecard(), dialogue, policy=policy(retired=["preset dialogue"])),
        decide(scorecard(), zh, policy=policy(retired=["language zh"])),
        decide(champion, champion, policy=guarded),
        decide(with_prompt(champion, 7, word_errors=9), champion, policy=guarded),
        decide(
            with_prompt(scorecard(n_prompts=100, seeds=(0,)), 7, word_errors=9),
            scorecard(n_prompts=100, seeds=(0,)),
            policy=guarded,
        ),
    ]


def test_every_code_is_documented_once():
    assert list(REASON_CODES) == list(ReasonCode) and list(CAUSE_CODES) == list(CauseCode)
    assert list(RANK_MEANINGS) == list(Rank)
    for info in (*REASON_CODES.values(), *CAUSE_CODES.values()):
        assert info.meaning.endswith(".") and "\n" not in info.meaning


def test_published_page_is_current():
    published = (ROOT / "docs/reason-codes.md").read_text(encoding="utf-8")
    assert published == reason_codes_page(), "run `python -m registry.gate.reasons.codes_page > docs/reason-codes.md`"


def test_every_reason_has_the_documented_values_and_a_text(decisions):
    seen = {reason.code for decision in decisions for reason in decision.reasons}
    assert seen == set(ReasonCode)
    for decision in decisions:
        for reason in decision.reasons:
            info = REASON_CODES[reason.code]
            assert tuple(reason.values) == info.values
            assert reason.text == reason_text(reason) and info.phrase in reason.text
            for cause in reason.causes:
                assert tuple(cause.values) == CAUSE_CODES[cause.code].values
                assert cause_text(cause) in reason.text


def test_outcome_is_that_of_the_worst_reason_and_reasons_are_sorted_by_rank(decisions):
    assert {decision.outcome for decision in decisions} == set(get_args(Outcome))
    for decision in decisions:
        outcomes = [REASON_CODES[reason.code].outcome for reason in decision.reasons]
        assert decision.outcome == min(outcomes, key=SEVERITY.get)
        assert outcomes == sorted(outcomes, key=SEVERITY.get)
        assert [reason.rank for reason in decision.reasons] == sorted(reason.rank for reason in decision.reasons)


def test_every_failed_threshold_is_a_reason_and_what_explains_the_others_comes_first():
    rows = [utterance(p, s, 5, 0.4, failures=("cut_off",) if p < 2 else ()) for p in range(20) for s in (0, 1)]
    card = scorecard(rows=rows, held_out=held_out(similarity=0.5))
    decision = decide(card, None, policy=policy(), first_release=True)
    failed = [reason for reason in decision.reasons if reason.code == "threshold_missed"]
    assert [(reason.metric, reason.rank) for reason in failed] == [
        ("failed_share", Rank.FAILURES),
        ("similarity", Rank.SIMILARITY),
        ("wer", Rank.WORDS),
    ]
    assert decision.failures == {"cut_off": 4}

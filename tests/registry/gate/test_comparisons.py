"""Comparisons with the champion: superiority, margins that grow with its figure, and intervals."""

from __future__ import annotations

import pytest
from release_helpers import policy, scorecard, utterance, with_prompt

from registry.gate.deciding import decide
from registry.gate.policy import GatePolicy


def superior(at_least: float = 0.01) -> GatePolicy:
    rule = {"metric": "wer", "at_least": at_least, "unit": "errors per word", "reason": "x"}
    return policy(superiority=rule)


def test_superiority_requires_that_a_gain_is_shown():
    better = decide(scorecard(wer=0.1), scorecard(wer=0.2), policy=superior())
    assert better.outcome == "pass" and "improvement_shown" in [reason.code for reason in better.reasons]
    equal = decide(scorecard(wer=0.2), scorecard(wer=0.2), policy=superior())
    assert equal.outcome == "fail"
    assert equal.reasons[0].code == "improvement_not_shown"
    assert equal.reasons[0].text.startswith(
        "the required improvement was not shown: word error rate 0.2000 against the champion's 0.2000"
    )


def test_gain_that_is_not_shown_is_inconclusive():
    rows = [utterance(p, s, 0 if p % 5 == 0 else 1) for p in range(20) for s in (0, 1)]
    decision = decide(scorecard(rows=rows), scorecard(wer=0.1), policy=superior(at_least=0.015))
    assert decision.outcome == "inconclusive"
    assert [(one.rule, one.outcome) for one in decision.comparisons][-1] == ("superiority", "unclear")
    assert decision.reasons[0].code == "improvement_unclear"
    assert "let listeners decide whether word error rate is better" in decision.advice


def test_relative_margin_counts_where_it_is_the_larger():
    margins = [
        {"metric": "wer", "margin": 0.02, "relative": 0.25, "unit": "errors per word", "reason": "x"},
        {"metric": "similarity", "margin": 0.03, "unit": "cosine", "reason": "x"},
    ]
    without_wer = policy().thresholds[1:]
    rules = policy(non_inferiority=margins, thresholds=without_wer)
    bad, good = scorecard(wer=0.5), scorecard(wer=0.0)
    assert decide(bad, bad, policy=rules).comparisons[0].margin == pytest.approx(0.125)
    assert decide(good, good, policy=rules).comparisons[0].margin == pytest.approx(0.02)
    assert decide(scorecard(wer=0.6), bad, policy=rules).outcome == "pass"
    assert decide(scorecard(wer=0.6), bad, policy=policy(thresholds=without_wer)).outcome == "fail"


def test_interval_contains_the_difference():
    decision = decide(with_prompt(scorecard(), 3, word_errors=5), scorecard(), policy=policy())
    for one in decision.comparisons:
        assert one.low <= one.difference <= one.high

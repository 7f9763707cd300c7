"""What to do next follows from the reasons."""

from __future__ import annotations

from release_helpers import policy, scorecard, with_prompt

from registry.gate.deciding import decide


def test_pass_is_to_be_promoted_and_a_first_release_heard_before():
    assert decide(scorecard(), scorecard(), policy=policy()).advice == "Promote it."
    first = decide(scorecard(), None, policy=policy(), first_release=True)
    assert first.advice == "Listen to it, then promote it as the first release."


def test_fail_names_the_cause_and_the_worst_prompts():
    decision = decide(with_prompt(scorecard(wer=0.5), 3, word_errors=9), scorecard(wer=0.1), policy=policy())
    assert decision.advice == "Do not release it: misread words (+0.400 per word). Listen first to p003, p000, p001."


def test_without_a_champion_a_first_release_can_be_requested():
    assert decide(scorecard(), None, policy=policy()).advice == (
        "To decide: request a first release, because there is no champion."
    )

"""Damage that a listener would hear fails at the gate, and the first reason names it: real recordings, real judges."""

from __future__ import annotations

import pytest

from benchmarks.gate_damage import DAMAGES, damage, decide_on, first_causes, read_clips, score

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

N = 16


@pytest.fixture(scope="module")
def clips():
    return read_clips(N)


@pytest.fixture(scope="module")
def champion(clips):
    return score(clips, n_jobs=1)  # as fast as two, which would be started for each damage


def test_an_identical_candidate_passes(champion):
    assert decide_on(champion, champion).outcome == "pass"


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_fails_and_the_first_reason_names_it(clips, champion, name):
    decision = decide_on(score(damage(clips, name), n_jobs=1), champion)
    assert decision.outcome == "fail"
    assert first_causes(decision) & DAMAGES[name].causes, [reason.text for reason in decision.reasons]

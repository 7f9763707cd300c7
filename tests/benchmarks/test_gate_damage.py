"""Damage that a listener would hear fails at the gate and is named in its first reason: recordings, really judged."""

from __future__ import annotations

import pytest

from benchmarks.gate_damage import DAMAGES, damage, read_clips, score, verdict_on

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

N = 24


@pytest.fixture(scope="module")
def clips():
    return read_clips(N)


@pytest.fixture(scope="module")
def champion(clips):
    return score(clips)


def test_an_identical_candidate_passes(champion):
    assert verdict_on(champion, champion).outcome == "pass"


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_fails_and_the_first_reason_names_it(clips, champion, name):
    judged = verdict_on(score(damage(clips, name)), champion)
    assert judged.outcome == "fail"
    assert DAMAGES[name][2] in judged.reasons[0], judged.reasons

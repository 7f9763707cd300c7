"""A candidate that was made from another person's recordings is not compared with the champion."""

from __future__ import annotations

import math

import pytest
from release_helpers import JUDGES, policy, scorecard

from registry.gate.deciding import decide
from registry.gate.errors import CannotMeasure


def turned(cosine: float) -> tuple[float, float]:
    """Return a unit embedding whose cosine to that of a default scorecard is given."""
    return (cosine, math.sqrt(1 - cosine**2))


def fault_of(candidate, champion) -> str:
    with pytest.raises(CannotMeasure) as raised:
        decide(candidate, champion, policy=policy())
    return str(raised.value)


def test_candidate_made_from_another_speakers_recordings_is_refused():
    """Both resemble their own recordings equally, so that no other figure shows it."""
    fault = fault_of(scorecard(voice_embedding=turned(0.18)), scorecard())
    assert fault == (
        "the two were measured against the recordings of different speakers: by ecapa_small their cosine is 0.180, and "
        "that of one speaker is at least 0.69; restore the recordings of anna, or make a voice with another name from "
        "the new ones"
    )


@pytest.mark.parametrize(("cosine", "is_one"), [(1.0, True), (0.9, True), (0.7, True), (0.68, False), (-0.3, False)])
def test_more_recordings_of_the_same_speaker_are_compared(cosine, is_one):
    candidate = scorecard(voice_embedding=turned(cosine))
    if is_one:
        assert decide(candidate, scorecard(), policy=policy()).outcome == "pass"
    else:
        assert "different speakers" in fault_of(candidate, scorecard())


@pytest.mark.parametrize(
    ("who", "command"),
    [("candidate", "`vox run anna`"), ("champion", "`vox rescore anna`"), ("both", "`vox run anna`")],
)
def test_scores_that_do_not_name_the_speaker_are_refused_with_the_command_that_mends_it(who, command):
    unknown = scorecard(voice_embedding=None)
    candidate = scorecard() if who == "champion" else unknown
    champion = scorecard() if who == "candidate" else unknown
    fault = fault_of(candidate, champion)
    assert "do not say whose recordings they are measured against" in fault and command in fault


def test_first_release_needs_no_champion_to_compare_with():
    assert decide(scorecard(voice_embedding=None), None, policy=policy(), first_release=True).outcome == "pass"


def test_embeddings_that_are_not_of_one_judge_do_not_count_as_one_speaker():
    assert "different speakers" in fault_of(scorecard(voice_embedding=(1.0, 0.0, 0.0)), scorecard())
    assert "different speakers" in fault_of(scorecard(voice_embedding=(0.0, 0.0)), scorecard())


def test_judge_that_nobody_measured_is_named():
    judges = JUDGES.model_copy(update={"speaker": "other"})
    fault = fault_of(scorecard(judges=judges), scorecard(judges=judges))
    assert "nobody has measured at which cosine the speaker judge other tells two speakers apart" in fault
    assert "python -m benchmarks.same_speaker --judge other" in fault

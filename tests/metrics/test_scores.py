"""Score rows and scorecards: what they refuse, and what is pooled from them."""

from pathlib import Path

import pytest
from pydantic import ValidationError
from release_helpers import scorecard, utterance

from metrics.scores import SMALLER_IS_BETTER, Scorecard, UtteranceScore, load_scorecard, mean_similarities, pooled
from registry.gate.policy import Margin, Threshold

NEW = ("language", "similarity_held_out", "silence_share", "clipped_share", "pitch_range_semitones")


@pytest.mark.parametrize("name", NEW)
def test_a_row_without_a_figure_is_refused(name: str) -> None:
    row = utterance(1, 0).model_dump()
    del row[name]
    with pytest.raises(ValidationError, match=name):
        UtteranceScore.model_validate(row)


def test_a_scorecard_from_before_the_floor_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "scorecard.json"
    path.write_text(scorecard().model_dump_json(exclude={"similarity_floor"}), encoding="utf-8")
    with pytest.raises(ValueError, match=r"not a scorecard .* run the evaluate stage again"):
        load_scorecard(path)


def test_a_scorecard_is_read_as_it_was_written(tmp_path: Path) -> None:
    card, path = scorecard(held_out=[utterance(1, 0, category="held_out", mos=3.5)]), tmp_path / "scorecard.json"
    path.write_text(card.model_dump_json(), encoding="utf-8")
    assert load_scorecard(path) == card


def test_the_ceiling_is_that_of_the_held_out_recordings() -> None:
    real = [utterance(n, 0, similarity=s, similarity_held_out=h) for n, s, h in ((1, 0.8, 0.7), (2, 0.9, 0.8))]
    ceiling = scorecard(held_out=real).similarity_ceiling
    assert (ceiling.similarity, ceiling.similarity_held_out, ceiling.n) == pytest.approx((0.85, 0.75, 2))


@pytest.mark.parametrize("values", [(), (0.8, None)], ids=["no recording", "one not measurable"])
def test_a_mean_that_cannot_be_measured_is_null_and_says_why(values: tuple[float | None, ...]) -> None:
    found = mean_similarities([utterance(n, 0, similarity_held_out=v) for n, v in enumerate(values)], "recordings")
    assert found.similarity_held_out is None
    assert "similarity_held_out not measurable" in found.note


def test_no_gate_can_name_the_predicted_opinion() -> None:
    assert "mos" not in SMALLER_IS_BETTER
    assert "mos" not in pooled([utterance(1, 0, mos=1.0)])
    assert pooled([utterance(1, 0, mos=1.0)]) == pooled([utterance(1, 0, mos=5.0)])
    for part, limit in ((Threshold, {"at_least": 4.0}), (Margin, {"margin": 0.1})):
        with pytest.raises(ValidationError, match="metric"):
            part.model_validate({"metric": "mos", "unit": "points", "reason": "test"} | limit)


@pytest.mark.parametrize(("name", "value"), [("silence_share", 1.2), ("clipped_share", -0.1), ("mos", 7.0)])
def test_a_figure_out_of_its_range_is_refused(name: str, value: float) -> None:
    with pytest.raises(ValidationError, match=name):
        utterance(1, 0, **{name: value})


def test_the_ceiling_is_no_field_that_a_file_could_set() -> None:
    with pytest.raises(ValidationError, match="similarity_ceiling"):
        Scorecard.model_validate(scorecard().model_dump() | {"similarity_ceiling": None})

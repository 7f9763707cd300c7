"""Forecasts are read off measured curves, and nothing outside of them is."""

from __future__ import annotations

import pytest
from imports import ROOT

from stages.card.advice.curves import CURVES, MeasuredPoint, base_sha256, curves_text, forecasts, read_curves
from stages.card.pages.charts import curve_chart
from stages.card.pages.wording import forecast_sentence

BASE = base_sha256("starter")
HERE = {"language": "en", "profile": "starter", "base_hash": BASE}


def point(minutes: float, wer: float = 0.2, similarity: float = 0.8, half: float = 0.02, **changes) -> MeasuredPoint:
    values = {
        "voice": "reader",
        "speaker": "real",
        "language": "en",
        "profile": "starter",
        "base_sha256": BASE,
        "minutes": minutes,
        "n_clips": int(15 * minutes),
        "n_prompts": 40,
        "wer": wer,
        "wer_low": max(0.0, wer - half),
        "wer_high": wer + half,
        "cer": wer / 2,
        "similarity": similarity,
        "similarity_low": similarity - half,
        "similarity_high": similarity + half,
        "failed_share": 0.0,
        "recordings_wer": 0.04,
        "recordings_similarity": 0.9,
    }
    return MeasuredPoint(**values | changes)


CURVE = [point(0, 0.5, 0.3), point(0.5, 0.4, 0.6), point(2, 0.2, 0.8), point(8, 0.19, 0.81)]


def test_twice_the_minutes_are_read_between_measured_points():
    (found,) = forecasts(CURVE, 1.0, **HERE)
    assert found.wer == pytest.approx((0.3, 0.2)) and found.similarity == pytest.approx((0.7, 0.8))
    assert (found.wer_is_clear, found.similarity_is_clear, found.caveats) == (True, True, ())


def test_a_difference_within_the_intervals_is_not_clear():
    (found,) = forecasts(CURVE, 4.0, **HERE)
    assert found.wer == pytest.approx((0.195, 0.19)) and not found.wer_is_clear


@pytest.mark.parametrize("minutes", [0.3, 8.1, 60.0])
def test_nothing_is_said_outside_of_what_was_measured(minutes):
    (found,) = forecasts(CURVE, minutes, **HERE)
    assert (found.doubling, found.wer, found.similarity) == (None, None, None)
    sentence = forecast_sentence(found)
    assert sentence.startswith("What twice as many minutes would bring is not known: “reader” (a person) was measured")
    assert "went from" not in sentence


def test_where_the_curve_ends_the_last_doubling_is_told_and_called_that():
    (found,) = forecasts(CURVE, 8.0, **HERE)
    assert (found.doubling, found.is_ahead) == ((4.0, 8.0), False)
    sentence = forecast_sentence(found)
    assert "is not known" in sentence and "From 4.0 to 8.0 minutes, the word error rate" in sentence
    assert "within the uncertainty" in sentence


def test_another_base_language_or_a_synthesiser_is_a_caveat():
    curve = [one.model_copy(update={"speaker": "synthetic"}) for one in CURVE]
    (found,) = forecasts(curve, 1.0, language="ja", profile="v2", base_hash="")
    assert [caveat.split()[-1] for caveat in found.caveats] == ["v2", "English", "synthesiser"]
    (found,) = forecasts(CURVE, 1.0, **HERE | {"base_hash": "0" * 64})
    assert found.caveats == ("it was measured with other weights of the base model",)


def test_a_single_point_is_not_a_curve():
    assert forecasts([point(1)], 1.0, **HERE) == [] and curve_chart("W", "wer", [point(1)], 1, as_percent=True) is None


def test_the_table_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "curves.csv"
    path.write_text(curves_text(CURVE[::-1]), encoding="utf-8")
    assert read_curves(path) == CURVE


def test_a_broken_table_is_named_with_its_line(tmp_path):
    path = tmp_path / "curves.csv"
    path.write_text(curves_text(CURVE).replace("starter,", "starter,,", 1), encoding="utf-8")
    with pytest.raises(ValueError, match=r"curves\.csv:2: .*restore it"):
        read_curves(path)
    with pytest.raises(ValueError, match="is missing; restore it"):
        read_curves(tmp_path / "other.csv")


def test_the_committed_curves_have_points_to_read_between():
    points = [one for one in read_curves(ROOT / CURVES) if one.minutes]
    assert points, "run python -m benchmarks.more_minutes"
    assert all(sum(one.voice == voice for one in points) >= 2 for voice in {one.voice for one in points})


def test_a_chart_has_every_point_inside_and_says_where_the_voice_is():
    chart = curve_chart("Word error rate", "wer", CURVE, 1.0, as_percent=True)
    places = chart.lines["reader"]
    assert len(places) == 3 and places[0].x < chart.here < places[1].x  # without the base before adaptation
    assert all(0 <= place.high <= place.y <= place.low <= 250 for place in places)
    assert curve_chart("Word error rate", "wer", CURVE, 60.0, as_percent=True).here is None

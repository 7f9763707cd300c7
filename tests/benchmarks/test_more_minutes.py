"""The parts of a voice that the benchmark of more minutes adapts on, and its table."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imports import ROOT

from benchmarks.more_minutes import add_point, interval, results_page, training_part, write_part
from stages.card.advice.curves import MeasuredPoint, base_sha256, read_curves
from stages.params import load_params
from stages.tables import FeatureClip, VoiceReference, read_table, write_table

PARAMS = load_params(ROOT / "params.yaml")


def clip(n: int, seconds: float = 4.0, split: str = "train") -> FeatureClip:
    return FeatureClip(
        clip_id=f"{n:012x}-0000",
        split=split,
        text="x",
        seconds=seconds,
        n_phonemes=40,
        n_tokens=100,
        similarity=0.9,
        language="en",
    )


@settings(deadline=None)
@given(st.lists(st.floats(1, 12), min_size=1, max_size=60), st.floats(0.1, 5), st.floats(0.1, 5))
def test_a_smaller_part_lies_within_a_larger_one_and_is_about_as_long_as_asked(lengths, first, second):
    clips = [clip(n, seconds) for n, seconds in enumerate(lengths)]
    small, large = (training_part(clips, minutes) for minutes in sorted((first, second)))
    assert large[: len(small)] == small and small
    total, wanted = sum(one.seconds for one in small), 60 * min(first, second)
    assert total <= wanted + max(lengths)
    assert total >= min(sum(lengths), wanted) - max(lengths)


def test_a_part_has_all_held_out_clips_and_a_reference_of_its_own(tmp_path):
    clips = [clip(n) for n in range(20)] + [clip(99, split="held_out")]
    (tmp_path / "all").mkdir()
    write_table(tmp_path / "all/clips.jsonl", clips)
    (tmp_path / "all/speaker.safetensors").write_bytes(b"x")
    part = training_part(clips, 0.2)
    write_part(tmp_path / "all", part, tmp_path / "part", PARAMS)
    written = read_table(tmp_path / "part/clips.jsonl", FeatureClip)
    assert {one.clip_id for one in written} == {one.clip_id for one in part} | {clips[-1].clip_id}
    reference = VoiceReference.model_validate_json((tmp_path / "part/reference.json").read_text(encoding="utf-8"))
    assert reference.clip_id in {one.clip_id for one in part}


class Row:
    """What the interval reads of a scored utterance."""

    def __init__(self, word_errors: int, similarity_held_out: float) -> None:
        self.word_errors, self.n_words, self.similarity_held_out = word_errors, 10, similarity_held_out


@pytest.mark.parametrize("name", ["wer", "similarity"])
def test_the_interval_holds_the_figure_and_is_equal_in_every_run(name):
    rows = [Row(n % 4, 0.8 + 0.01 * (n % 5)) for n in range(40)]
    low, high = interval(rows, name)
    assert low < {"wer": 0.15, "similarity": 0.82}[name] < high and interval(rows, name) == (low, high)


def test_a_point_replaces_its_earlier_measurement(tmp_path):
    (first, *_) = read_curves(ROOT / "benchmarks/more_minutes/curves.csv")
    path = tmp_path / "more/curves.csv"
    for wer in (0.3, 0.2):
        add_point(first.model_copy(update={"wer": wer}), path)
    add_point(first.model_copy(update={"minutes": 99.0}), path)
    assert [(one.minutes, one.wer) for one in read_curves(path)] == [(first.minutes, 0.2), (99.0, first.wer)]


def test_the_committed_page_has_the_committed_points():
    folder = ROOT / "benchmarks/more_minutes"
    assert (folder / "RESULTS.md").read_text(encoding="utf-8") == results_page(read_curves(folder / "curves.csv"))


def test_points_name_the_base_that_they_were_measured_with():
    assert len(base_sha256("starter")) == 64 and base_sha256("absent") == ""
    assert "base_sha256" in MeasuredPoint.model_fields

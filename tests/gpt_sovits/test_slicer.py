"""The slicer: the cuts of upstream, and properties of every recording."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sovits_golden import Golden, formula

from gpt_sovits.slicer import SlicerConfig, slice_at_silence

SETTINGS = {
    "webui": SlicerConfig(),
    "class_default": SlicerConfig(threshold_db=-40, min_length_ms=5000, hop_ms=20, max_silence_kept_ms=5000),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_cuts_match_upstream(shared: Path, name: str) -> None:
    golden = Golden(shared, "slicer")
    waveform = formula(shared).wave("slicer", 32000 * 20)
    seconds = np.arange(len(waveform)) / 32000
    gate = np.full(len(waveform), 0.001, np.float32)
    for start, stop in golden.entry["gate_seconds"]:
        gate[(seconds >= start) & (seconds < stop)] = 1
    clips = slice_at_silence(waveform * gate, 32000, SETTINGS[name])
    assert clips == [tuple(row) for row in golden[f"out/{name}"].tolist()]
    assert [stop - start for start, stop in clips] == golden[f"out/{name}.lengths"].tolist()


RATE = 1000  # a millisecond is a sample


def speech(*parts: tuple[float, float]) -> np.ndarray:
    """Return noise at 0.3 for some seconds, then near silence for some seconds, and so on."""
    noise = np.random.default_rng(0)
    return np.concatenate(
        [
            amplitude * noise.uniform(-1, 1, round(seconds * RATE)).astype(np.float32)
            for loud, quiet in parts
            for amplitude, seconds in ((0.3, loud), (1e-4, quiet))
        ]
    )


def test_clips_are_cut_inside_the_silences_and_keep_their_speech() -> None:
    waveform = speech((5, 0.4), (5, 0.8), (5, 3.0), (5, 2.0))
    clips = slice_at_silence(waveform, RATE)
    loud = [(0, 5), (5.4, 10.4), (11.2, 16.2), (19.2, 24.2)]
    assert len(clips) == 4
    for (start, stop), (first, last) in zip(clips, loud, strict=True):
        assert start <= first * RATE and last * RATE <= stop <= last * RATE + 520
    assert clips[0][1] == clips[1][0]  # a short silence is cut at one place and stays complete
    assert clips[3][0] - clips[2][1] >= 3000 - 2 * 520  # of a long one only the edges are kept


def test_a_short_silence_or_clip_is_not_cut() -> None:
    assert slice_at_silence(speech((5, 0.2), (5, 0)), RATE) == [(0, 10200)]
    assert slice_at_silence(speech((3, 0.6), (3, 0)), RATE) == [(0, 6600)]


def test_silence_at_the_ends_is_removed() -> None:
    waveform = np.concatenate([speech((0, 2)), speech((3, 2))])
    ((start, stop),) = slice_at_silence(waveform, RATE)
    assert 1480 <= start <= 2000 and 5000 <= stop <= 5520


def test_a_silent_recording_leaves_almost_nothing() -> None:
    clips = slice_at_silence(speech((0, 8)), RATE)
    assert sum(stop - start for start, stop in clips) <= 520


@given(
    st.lists(st.tuples(st.floats(0, 6), st.floats(0, 3)), min_size=1, max_size=5).filter(
        lambda parts: sum(map(sum, parts)) > 0.01
    ),
    st.sampled_from([*SETTINGS.values(), SlicerConfig(min_interval_ms=20, hop_ms=20, max_silence_kept_ms=20)]),
)
@settings(max_examples=60, deadline=None)
def test_clips_are_in_order_and_lose_no_speech(parts: list[tuple[float, float]], config: SlicerConfig) -> None:
    waveform = speech(*parts)
    clips = slice_at_silence(waveform, RATE, config)
    ends = [0, *(edge for clip in clips for edge in clip), len(waveform)]
    assert ends == sorted(ends)
    outside = np.ones(len(waveform), bool)
    for start, stop in clips:
        outside[start:stop] = False
    windows_loud = np.abs(waveform) > 0.01
    lost = np.flatnonzero(outside & windows_loud)
    # the window of a level is four hops wide, so less speech than that at an edge may count as silence
    assert len(lost) <= 4 * config.hop_ms * 2 * (len(clips) + 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"min_interval_ms": 5000}, "min_length_ms 4000 must be at least min_interval_ms 5000"),
        ({"hop_ms": 400}, "and that at least hop_ms 400"),
        ({"max_silence_kept_ms": 5}, "max_silence_kept_ms 5 must be at least hop_ms 10"),
        ({"threshold_db": 3.0}, "threshold_db"),
        ({"threshold": -40}, "threshold"),
    ],
)
def test_impossible_settings_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SlicerConfig(**change)


@pytest.mark.parametrize("waveform", [np.zeros(0, np.float32), np.zeros((2, 100), np.float32)])
def test_anything_but_a_mono_recording_is_refused(waveform: np.ndarray) -> None:
    with pytest.raises(ValueError, match="mix it to mono"):
        slice_at_silence(waveform, RATE)


def test_a_hop_shorter_than_a_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="hop_ms 1 is less than a sample at 200 Hz"):
        slice_at_silence(np.zeros(100, np.float32), 200, SlicerConfig(hop_ms=1))

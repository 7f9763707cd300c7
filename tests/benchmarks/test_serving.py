"""The listener of the serving benchmark: when it hears the first sound, and where its playback stops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.serving.__main__ import as_markdown
from benchmarks.serving.listening import Measured, Playback, Texts
from benchmarks.serving.speed import summarise

RATE = 1000


def sound(n: int, level: int = 5000) -> bytes:
    return np.full(n, level, "<i2").tobytes()


def test_sound_is_heard_when_it_arrives():
    playback = Playback(RATE, begin=10.0)
    playback.take(sound(100), 10.25)
    assert playback.audible == pytest.approx(0.25) and playback.longest_gap == 0


def test_silence_before_the_sound_is_waited_for():
    playback = Playback(RATE, begin=10.0)
    playback.take(sound(300, level=3), 10.1)
    playback.take(sound(100), 10.2)
    assert playback.first == pytest.approx(0.1) and playback.audible == pytest.approx(0.1 + 0.3)


def test_gap_is_the_time_without_anything_to_play():
    playback = Playback(RATE, begin=0.0)
    playback.take(sound(100), 0.0)  # plays until 0.1
    playback.take(sound(100), 0.4)  # a gap of 0.3 s, plays until 0.5
    playback.take(sound(100), 0.45)
    playback.take(sound(100), 0.65)  # 0.6 was the end: another gap
    assert playback.longest_gap == pytest.approx(0.3)
    assert playback.started == pytest.approx(0.35)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=20))
def test_how_the_bytes_are_cut_changes_nothing(sizes):
    data = sound(sum(sizes) // 2 + 10)
    whole, cut, place = Playback(RATE, 0.0), Playback(RATE, 0.0), 0
    whole.take(data, 0.0)
    for size in [*sizes, len(data)]:
        cut.take(data[place : place + size], 0.0)
        place += size
    assert (cut.n_samples, cut.audible, cut.longest_gap) == (whole.n_samples, whole.audible, whole.longest_gap)


def test_table_counts_refusals_and_gaps():
    results = [
        Measured(200, 0.1, audible_seconds=0.2, longest_gap=0.05, audio_seconds=2.0),
        Measured(200, 0.1, audible_seconds=0.4, audio_seconds=2.0),
        Measured(429, 0.01, retry_after=3.0),
    ]
    row = summarise("together", results)
    assert row["first audible sample, p50 and p99"] == "300, 398 ms" and row["streams with a gap"] == "1 of 2"
    assert row["refused"] == "1 with 429" and row["slowest refusal"] == "10 ms"
    assert as_markdown([row], "the command").count("| together |") == 1
    assert math.isnan(Measured(429, 0.0).audible_seconds)


def test_no_two_requests_have_the_same_text():
    texts = Texts(1)
    assert len({texts.next(2) for _ in range(50)}) == 50

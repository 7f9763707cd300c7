"""Which channel is taken, and what its samples show."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_recordings.encoding import RATE, speech

from stages.recordings.channels import ChannelMeter, Levels, MonoMix

VOICE, OTHER = speech(1), speech(2)
NOISE = np.random.default_rng(0).normal(0, 0.001, len(VOICE)).astype(np.float32)


def measure(*channels: np.ndarray, is_float: bool = False, block: int = 7000) -> tuple[MonoMix, Levels]:
    samples = np.stack(channels, axis=1).astype(np.float32)
    meter = ChannelMeter(RATE, len(channels), is_float=is_float)
    for start in range(0, len(samples), block):
        meter.add(samples[start : start + block])
    mix = meter.mix()
    return mix, meter.levels(mix)


def turns(first: float, second: float) -> np.ndarray:
    return np.repeat([first, second], len(VOICE) // 2)


CASES = {
    "one channel": ([VOICE], None, "single"),
    "the same sound twice": ([VOICE, VOICE], None, "agree"),
    "the same sound at other levels": ([VOICE, 0.5 * VOICE], None, "agree"),
    "a channel without a microphone": ([NOISE / 20, VOICE], 2, "silent channels"),
    "opposite phase": ([VOICE, -VOICE], 1, "opposite phase"),
    "nearly opposite phase": ([0.9 * VOICE, np.roll(-VOICE, 1)], 2, "opposite phase"),
    "two microphones in a room": ([0.5 * np.roll(VOICE, 15) + NOISE, VOICE], 2, "differ"),
    "two people who take turns": ([turns(1, 0) * VOICE, turns(0, 0.5) * OTHER], 1, "several talkers"),
    "two people who hear each other": (
        [turns(1, 0) * VOICE + 0.1 * turns(0, 1) * OTHER, 0.1 * turns(1, 0) * VOICE + turns(0, 2) * OTHER],
        2,
        "several talkers",
    ),
    "silence": ([0 * VOICE, 0 * VOICE], None, "agree"),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("offset", [0.0, 0.2])
def test_the_channel_that_is_taken(case: str, offset: float) -> None:
    channels, channel, relation = CASES[case]
    mix, _ = measure(*(samples + offset * index for index, samples in enumerate(channels)))
    assert (mix.channel, mix.channels) == (channel, relation)


@settings(max_examples=20, deadline=None)
@given(st.integers(100, 40000))
def test_the_figures_do_not_depend_on_the_blocks(block: int) -> None:
    assert measure(VOICE + 0.1, OTHER, block=block) == measure(VOICE + 0.1, OTHER, block=len(VOICE))


def test_the_offset_is_measured_and_does_not_count_for_the_level() -> None:
    plain, offset = measure(VOICE), measure(0.5 * VOICE + 0.3)
    assert offset[0].dc_offset == pytest.approx(0.3 + 0.5 * plain[0].dc_offset, abs=1e-5)
    assert offset[1].level_dbfs == pytest.approx(plain[1].level_dbfs - 6.02, abs=0.02)


def test_silence_before_the_speech_does_not_count_for_the_level() -> None:
    hiss = np.random.default_rng(0).normal(0, 10 ** (-75 / 20), 20 * len(VOICE))
    assert measure(np.concatenate([hiss, VOICE]))[1].level_dbfs == pytest.approx(measure(VOICE)[1].level_dbfs, abs=0.3)


@pytest.mark.parametrize("peak", [2.0, 32767.0])
def test_samples_above_full_scale_are_scaled_in_a_float_file_only(peak: float) -> None:
    hot = VOICE / np.abs(VOICE).max() * peak
    mix, levels = measure(hot, is_float=True)
    assert mix.full_scale == pytest.approx(peak)
    assert levels.clipped_share < 0.001
    assert levels.level_dbfs == pytest.approx(measure(hot / peak)[1].level_dbfs, abs=0.02)
    mix, levels = measure(hot)
    assert (mix.full_scale, levels.clipped_share > 0.01) == (1.0, True)


@pytest.mark.parametrize("gain", [1.0, 3.0])
def test_flat_peaks_are_clipping_in_a_float_file_too(gain: float) -> None:
    clipped = gain * np.clip(9 * VOICE, -1, 1)
    assert measure(clipped, is_float=True)[1].clipped_share > 0.05

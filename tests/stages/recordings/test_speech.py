"""Where speech is found: as silero-vad's own program finds it, whatever the blocks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_recordings.encoding import speech

from stages.params import load_params
from stages.recordings.speech import FRAME, SAMPLE_RATE, find_speech, speech_probabilities, speech_regions

ROOT = Path(__file__).resolve().parents[3]
PARAMS = load_params(ROOT / "params.yaml").segment
LEVEL = -20.0


def sound(*seconds: float) -> np.ndarray:
    """Return pauses of the given lengths with a sentence behind each but the last."""
    parts = [np.zeros(round(length * SAMPLE_RATE), np.float32) for length in seconds]
    sentences = [speech(number, 3.0) for number in range(1, len(seconds))]
    return np.concatenate([part for pair in zip(parts, [*sentences, []], strict=True) for part in pair]).astype(
        np.float32
    )


def test_probabilities_are_those_of_the_ordinary_model() -> None:
    import torch
    from silero_vad import load_silero_vad

    waveform = sound(0.5, 1.0, 0.3)
    model = load_silero_vad()
    frames = np.pad(waveform, (0, -len(waveform) % FRAME)).reshape(-1, FRAME)
    with torch.no_grad():
        expected = [model(torch.from_numpy(frame), SAMPLE_RATE).item() for frame in frames]
    blocks = np.split(waveform, [100, 101, 30000])
    assert np.concatenate(list(speech_probabilities(blocks))) == pytest.approx(expected, abs=1e-3)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from([0.0, 0.2, 0.34, 0.36, 0.4, 0.5, 0.8, 1.0]), min_size=1, max_size=120),
    st.sampled_from([0.3, 0.5, 0.9]),
    st.sampled_from([0.1, 0.25, 0.3, 1.0]),
    st.integers(0, FRAME - 1),
)
def test_regions_are_those_of_the_package(probabilities: list[float], threshold: float, pause: float, cut: int) -> None:
    from silero_vad.utils_vad import get_speech_timestamps_from_probs

    n_samples = len(probabilities) * FRAME - cut
    expected = get_speech_timestamps_from_probs(
        probabilities,
        threshold=threshold,
        min_silence_duration_ms=round(1000 * pause),
        speech_pad_ms=0,
        audio_length_samples=n_samples,
    )
    found = speech_regions(np.array(probabilities), n_samples, threshold, pause)
    assert found == [(region["start"], region["end"]) for region in expected]


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(1, 160000), max_size=5))
def test_what_is_found_does_not_depend_on_the_blocks(borders: list[int]) -> None:
    waveform = sound(0.4, 0.8, 0.6)
    once = find_speech([waveform], LEVEL, PARAMS)
    parts = find_speech(np.split(waveform, sorted(borders)), LEVEL, PARAMS)
    assert parts.regions == once.regions
    assert parts.cut_costs == pytest.approx(once.cut_costs, abs=1e-4)


def test_only_the_speech_is_found_behind_minutes_of_faint_noise() -> None:
    hiss = np.random.default_rng(0).normal(0, 10 ** (-75 / 20), 300 * SAMPLE_RATE).astype(np.float32)
    waveform = np.concatenate([hiss, sound(0.0, 0.5)])
    (region,) = find_speech([waveform], LEVEL, PARAMS).regions
    assert region[0] == pytest.approx(300, abs=0.2)


def test_a_cut_costs_least_in_a_pause_and_more_in_noise_than_in_silence() -> None:
    waveform = sound(0.0, 0.1, 0.0)
    costs = find_speech([waveform], LEVEL, PARAMS).cut_costs
    pause = round((3.0 + 0.05) * 100)
    assert len(costs) == len(waveform) // 160
    assert np.abs(np.argmin(costs[50:-50]) + 50 - pause) <= 5


MEMORY = """
from pathlib import Path
import numpy as np
from gpt_sovits.audio import resample_blocks
from stages.params import load_params
from stages.recordings.speech import SAMPLE_RATE, find_speech

def megabytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6

def blocks():
    noise = np.random.default_rng(0).standard_normal(65536).astype(np.float32)
    for number in range(260):
        if number % 130 == 129:
            print(megabytes())
        yield noise * np.float32(0.1)

find_speech(resample_blocks(blocks(), 44100, SAMPLE_RATE), -20.0, load_params().segment)
"""


def test_memory_does_not_grow_with_the_length_of_a_recording_at_another_rate():
    """It did, by 20 MB a minute: arrays that stayed lay between those that went."""
    command = [sys.executable, "-c", MEMORY]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    early, late = map(float, done.stdout.split())
    assert late - early < 40

"""The two sounds of a trial differ in nothing but the speech."""

from __future__ import annotations

import io

import numpy as np
import pyloudnorm
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt_sovits.audio import AudioError, save_flac
from registry.listening.blind_audio import LOUDNESS_LUFS, MAX_PEAK_DBFS, SAMPLE_RATE, blind_pair


def noise(seconds: float, peak: float, rate: int = SAMPLE_RATE, seed: int = 0) -> np.ndarray:
    wave = np.random.default_rng(seed).standard_normal(round(seconds * rate))
    return (peak * wave / np.abs(wave).max()).astype(np.float32)


def blind_pair_of(tmp_path, first: np.ndarray, second: np.ndarray, rates=(SAMPLE_RATE, SAMPLE_RATE)):
    paths = []
    for name, wave, rate in zip(("first", "second"), (first, second), rates, strict=True):
        paths.append(tmp_path / f"{name}.flac")
        save_flac(paths[-1], wave, rate)
    return blind_pair(*paths)


@settings(max_examples=15, deadline=None)
@given(st.floats(0.01, 1.0), st.floats(0.01, 1.0), st.floats(0.05, 3.0), st.floats(0.05, 3.0))
def test_both_sounds_have_one_format_length_and_loudness(tmp_path_factory, peak, other_peak, seconds, other_seconds):
    folder = tmp_path_factory.mktemp("pair")
    first, second = blind_pair_of(
        folder, noise(seconds, peak), noise(other_seconds, other_peak, 24_000), (SAMPLE_RATE, 24_000)
    )
    assert len(first) == len(second)
    assert first[:44] == second[:44]  # the whole header of a WAV file
    waves = [soundfile.read(io.BytesIO(content))[0] for content in (first, second)]
    levels = []
    for wave, length in zip(waves, (seconds, other_seconds), strict=True):
        meter = pyloudnorm.Meter(SAMPLE_RATE, block_size=min(0.4, length * 0.99))
        levels.append(meter.integrated_loudness(wave[: round(length * SAMPLE_RATE)]))
        assert np.abs(wave).max() <= 10 ** (MAX_PEAK_DBFS / 20) + 1e-3
    assert levels[0] == pytest.approx(levels[1], abs=0.5)
    assert max(levels) <= LOUDNESS_LUFS + 0.5


def test_shorter_sound_ends_in_silence_and_its_beginning_stays(tmp_path):
    first, second = blind_pair_of(tmp_path, noise(1.0, 0.1), noise(2.0, 0.1))
    waves = [soundfile.read(io.BytesIO(content))[0] for content in (first, second)]
    assert not waves[0][SAMPLE_RATE:].any() and waves[0][:100].any()
    assert waves[1][SAMPLE_RATE:].any()


def test_sharp_peak_in_one_sound_lowers_both(tmp_path):
    spiky = noise(1.0, 0.01)
    spiky[1000] = 1.0
    first, second = blind_pair_of(tmp_path, spiky, noise(1.0, 0.5))
    levels = [
        pyloudnorm.Meter(SAMPLE_RATE).integrated_loudness(soundfile.read(io.BytesIO(content))[0])
        for content in (first, second)
    ]
    assert levels[0] == pytest.approx(levels[1], abs=0.1)
    assert max(levels) < LOUDNESS_LUFS - 1


def test_silence_and_files_that_are_not_audio_are_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match=r"second\.flac: nothing can be heard"):
        blind_pair_of(tmp_path, noise(1.0, 0.1), np.zeros(SAMPLE_RATE, np.float32))
    with pytest.raises(ValueError, match=r"first\.flac: nothing can be heard"):
        blind_pair_of(tmp_path, np.array([0.1], np.float32), noise(1.0, 0.1))
    (tmp_path / "broken.flac").write_text("no audio")
    with pytest.raises(AudioError, match=r"broken\.flac"):
        blind_pair(tmp_path / "broken.flac", tmp_path / "first.flac")

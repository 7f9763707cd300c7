"""The figures of a recording are near their true values, which are known because the sound is made up."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest

from benchmarks.made_up_sound import BLOCK, NOISES, converted, in_room, measured, with_music, with_noise
from benchmarks.nonspeech import SAMPLE_RATE, speech_shaped_noise
from gpt_sovits.audio import load_audio, resample, to_mono
from stages.recordings.sound.meter import SoundFigures, SoundMeter

WAVS = Path(__file__).resolve().parents[4] / "data/1_recordings/sample/wavs"


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    """About 20 s of the sample voice at SAMPLE_RATE."""
    clips = [load_audio(path) for path in sorted(WAVS.glob("*.flac"))[:5]]
    return np.concatenate([resample(to_mono(samples), rate, SAMPLE_RATE) for samples, rate in clips])


def figures(waveform: np.ndarray, sample_rate: int = SAMPLE_RATE) -> SoundFigures:
    return measured(waveform, sample_rate)[0]


@pytest.mark.parametrize("sample_rate", [16_000, 22_050, 44_100])
def test_loudness_is_that_of_pyloudnorm(speech: np.ndarray, sample_rate: int) -> None:
    waveform = 0.3 * resample(speech, SAMPLE_RATE, sample_rate)
    expected = pyloudnorm.Meter(sample_rate).integrated_loudness(waveform.astype(np.float64))
    assert figures(waveform, sample_rate).loudness_lufs == pytest.approx(expected, abs=0.2)


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize(("snr", "error"), [(0, 3.0), (5, 2.0), (10, 1.5), (20, 1.5), (30, 1.5)])
def test_snr_is_within_its_stated_error(speech: np.ndarray, noise: str, snr: float, error: float) -> None:
    noisy = with_noise(speech, NOISES[noise], snr, np.random.default_rng(1))
    assert figures(noisy).snr_db == pytest.approx(snr, abs=error)


@pytest.mark.parametrize(("t60", "error"), [(0.3, 0.1), (0.5, 0.15), (0.8, 0.2), (1.2, 0.4)])
def test_reverberation_is_within_its_stated_error(speech: np.ndarray, t60: float, error: float) -> None:
    reverberant = in_room(speech, t60, 3.0, np.random.default_rng(2))
    assert figures(reverberant).reverberation_seconds == pytest.approx(t60, abs=error)


def test_a_dry_recording_has_the_shortest_reverberation(speech: np.ndarray) -> None:
    assert figures(speech).reverberation_seconds == pytest.approx(0.2, abs=0.05)


@pytest.mark.parametrize("narrow_rate", [8_000, 11_025, 16_000])
def test_the_bandwidth_before_a_conversion_is_found(speech: np.ndarray, narrow_rate: int) -> None:
    waveform = converted(speech, SAMPLE_RATE, narrow_rate, 44_100)
    assert figures(waveform, 44_100).bandwidth_hz == pytest.approx(narrow_rate / 2, rel=0.06)


def test_noise_over_all_bands_does_not_narrow_the_bandwidth(speech: np.ndarray) -> None:
    noisy = with_noise(speech, NOISES["white noise"], 0, np.random.default_rng(3))
    assert figures(noisy).bandwidth_hz > 7500


def test_music_behind_speech_is_found_and_speech_is_not_music(speech: np.ndarray) -> None:
    random = np.random.default_rng(4)
    assert figures(speech).music_share < 0.1
    assert figures(with_noise(speech, speech_shaped_noise, 5, random)).music_share < 0.1
    assert figures(with_music(speech, 10, random)).music_share > 0.6


def test_the_longest_clipping_is_found_at_full_scale_and_below() -> None:
    wave = np.sin(2 * np.pi * 200 * np.arange(BLOCK + 30_000) / SAMPLE_RATE)
    whole, clipped = (0.4 * np.clip(wave * gain, -1, 1) for gain in (1.0, 2.0))
    expected = 27  # two thirds of half a period of 80 samples
    for gain in (1.0, 2.5):
        assert figures((gain * whole).astype(np.float32)).longest_clipping <= 3
        assert figures((gain * clipped).astype(np.float32)).longest_clipping == pytest.approx(expected, abs=1)


def test_clipping_over_the_edge_of_two_blocks_is_one_run() -> None:
    waveform = np.zeros(BLOCK + 1000, np.float32)
    waveform[BLOCK - 10 : BLOCK + 15] = 1.0
    assert figures(waveform).longest_clipping == 25


@pytest.mark.parametrize("waveform", [np.zeros(1, np.float32), np.zeros(3 * SAMPLE_RATE, np.float32)])
def test_silence_has_no_figures(waveform: np.ndarray) -> None:
    found = figures(waveform)
    assert (found.loudness_lufs, found.snr_db, found.bandwidth_hz, found.reverberation_seconds) == (None,) * 4
    assert found.longest_clipping == 0


def test_the_figures_do_not_depend_on_the_blocks(speech: np.ndarray) -> None:
    found = []
    for block in (BLOCK, 7001):
        meter = SoundMeter(SAMPLE_RATE)
        for start in range(0, len(speech), block):
            meter.add(speech[start : start + block])
        found.append(meter.finish())
    assert found[0][0] == found[1][0]
    assert np.array_equal(found[0][1], found[1][1])


def test_memory_hardly_grows_with_the_length(speech: np.ndarray) -> None:
    def peak(n_repeats: int) -> int:
        tracemalloc.start()
        meter = SoundMeter(SAMPLE_RATE)
        for _ in range(n_repeats):
            meter.add(speech[:BLOCK])
        meter.finish()
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak_bytes

    assert peak(60) - peak(20) < 1e6  # nearly 3 minutes longer; as samples they would take 10 MB

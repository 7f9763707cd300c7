"""Figures of the samples: known sounds give known figures, and a change affects only its own figure."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from metrics.failures import NOISY_FLOOR_DB, STEADIEST_DB
from metrics.sound import SILENCE_DBFS, clipped_share, decibels, measure_sound, pitch_range_semitones

RATE = 16_000
RNG = np.random.default_rng(0)


def seconds(n: float) -> np.ndarray:
    return np.arange(round(n * RATE)) / RATE


def sweep(low: float, high: float, n: float = 2.0) -> np.ndarray:
    """A buzz with twenty harmonics whose pitch rises from low to high Hz by equal ratios."""
    octaves = seconds(n) / n * math.log2(high / low)
    phase = 2 * np.pi * np.cumsum(low * 2**octaves) / RATE
    return (0.05 * sum(np.sin(k * phase) for k in range(1, 21))).astype(np.float32)


def syllables(n: int = 8) -> np.ndarray:
    """Bursts of 0.15 s with changing spectra and pauses of 0.1 s between them, so that it changes as speech does."""
    parts = []
    for i in range(n):
        times = seconds(0.15)
        pitch, formant = 110 + 10 * (i % 3), 400 + 350 * (i % 5)
        sound = sum(
            np.sin(2 * np.pi * k * pitch * times) / (1 + ((k * pitch - formant) / 200) ** 2) for k in range(1, 40)
        )
        parts += [0.2 * np.hanning(len(times)) * sound, np.zeros(round(0.1 * RATE))]
    return np.concatenate(parts).astype(np.float32)


@pytest.mark.parametrize(("low", "high"), [(100, 200), (80, 120), (150, 400), (120, 120)])
def test_the_pitch_range_is_nine_tenths_of_a_sweep(low: float, high: float) -> None:
    assert pitch_range_semitones(sweep(low, high)) == pytest.approx(0.9 * 12 * math.log2(high / low), abs=0.6)


@pytest.mark.parametrize("waveform", [np.zeros(RATE), np.zeros(0), 0.1 * RNG.normal(size=RATE), np.zeros(300)])
def test_sound_without_a_voice_has_no_pitch_range(waveform: np.ndarray) -> None:
    assert pitch_range_semitones(waveform.astype(np.float32)) is None


def test_digital_silence_is_all_silence() -> None:
    sound = measure_sound(np.zeros(RATE, np.float32), RATE)
    assert (sound.level_dbfs, sound.silence_share, sound.clipped_share) == (SILENCE_DBFS, 1.0, 0.0)
    assert sound.pitch_range_semitones is None


@pytest.mark.parametrize("n_silent", [0.5, 1.0, 3.0])
def test_the_silence_share_is_that_of_the_pauses(n_silent: float) -> None:
    pause = np.zeros(round(n_silent * RATE), np.float32)
    sound = measure_sound(np.concatenate([sweep(100, 150, 1.0), pause, sweep(150, 100, 1.0)]), RATE)
    assert sound.silence_share == pytest.approx(n_silent / (2 + n_silent), abs=0.03)


@pytest.mark.parametrize("rate", [8_000, 16_000, 32_000, 48_000])
def test_the_figures_hardly_depend_on_the_sample_rate(rate: int) -> None:
    from metrics.audio import to_rate

    at_16k, other = measure_sound(syllables(), RATE), measure_sound(to_rate(syllables(), RATE, rate), rate)
    assert other.level_dbfs == pytest.approx(at_16k.level_dbfs, abs=0.5)
    assert other.silence_share == pytest.approx(at_16k.silence_share, abs=0.05)


@given(st.integers(1, 400), st.integers(0, 400))
def test_the_clipped_share_counts_samples_at_full_scale(n_good: int, n_clipped: int) -> None:
    samples = np.concatenate([np.full(n_good, 0.5), np.full(n_clipped, -1.0)])
    assert clipped_share(samples) == round(n_clipped / (n_good + n_clipped), 6)


def test_speech_that_is_cut_in_mid_sound_ends_as_loud_as_it_was() -> None:
    whole = syllables()
    assert measure_sound(whole, RATE).end_db < -60
    assert measure_sound(whole[: -round(0.17 * RATE)], RATE).end_db > -10, "0.1 s of pause and half a syllable are gone"


@pytest.mark.parametrize(
    "burst",
    [
        0.1 * RNG.normal(size=12_800),
        0.1 * np.sign(np.sin(2 * np.pi * 100 * seconds(0.8))),
        0.1 * np.sin(2 * np.pi * 1000 * seconds(0.8)),
    ],
    ids=["white noise", "hum", "a tone"],
)
def test_a_burst_of_noise_is_steadier_than_speech(burst: np.ndarray) -> None:
    speech = syllables()
    noisy = np.concatenate([speech[:16_000], burst, speech[16_000:]]).astype(np.float32)
    assert measure_sound(noisy, RATE).steadiest_db < STEADIEST_DB < measure_sound(speech, RATE).steadiest_db


@pytest.mark.parametrize(("snr_db", "is_noisy"), [(6, True), (9, True), (25, False), (40, False)])
def test_noise_in_the_pauses_lifts_the_floor(snr_db: float, is_noisy: bool) -> None:
    speech = syllables()
    noise = RNG.normal(size=len(speech)) * speech.std() * 10 ** (-snr_db / 20)
    assert (measure_sound((speech + noise).astype(np.float32), RATE).floor_db > NOISY_FLOOR_DB) == is_noisy


@given(arrays(np.float32, st.integers(0, 3000), elements=st.floats(-1, 1, width=32)), st.sampled_from([8000, 22_050]))
@settings(max_examples=30, deadline=None)
def test_any_samples_have_figures_in_their_ranges(waveform: np.ndarray, rate: int) -> None:
    sound = measure_sound(waveform, rate)
    assert 0 <= sound.silence_share <= 1
    assert 0 <= sound.clipped_share <= 1
    assert SILENCE_DBFS <= sound.level_dbfs <= 0
    assert not any(math.isnan(value) for value in sound if value is not None)
    assert sound == measure_sound(waveform, rate)


def test_decibels_end_at_silence() -> None:
    assert [decibels(x) for x in (1.0, 0.1, 0.0)] == [0.0, -20.0, SILENCE_DBFS]


@pytest.mark.parametrize("waveform", [np.zeros((2, 100)), np.full(100, np.nan)])
def test_audio_that_is_not_mono_or_finite_is_refused(waveform: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"shape \(2, 100\)|NaN or infinite"):
        measure_sound(waveform, RATE)

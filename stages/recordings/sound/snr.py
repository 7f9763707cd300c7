"""How far speech lies above the noise of a recording.

The noise of each band is its level in the quietest moments, which are pauses between words. This is the idea of
R. Martin, "Noise Power Spectral Density Estimation Based on Optimal Smoothing and Minimum Statistics", IEEE
Transactions on Speech and Audio Processing 9 (2001), with a percentile over the whole recording in place of a moving
minimum. Speech is what is within 20 dB of the loud moments and above the noise.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.ndimage import uniform_filter1d
from scipy.stats import chi2

from stages.recordings.sound.histograms import LOWEST_DB, N_STEPS, LevelHistogram, decibels, level_steps, step_levels

N_SMOOTHED = 5  # frames: 96 ms
NOISE_PERCENTILE = 5
FREE_FRAMES = 4.7  # of N_SMOOTHED, whose frames overlap by half
BINS_PER_FREE_BIN = 1.9  # the window of a frame makes neighbouring bins alike
SPEECH_PERCENTILE = 95
SPEECH_RANGE_DB = 20.0
MIN_ABOVE_NOISE_DB = 1.0
MIN_FRAMES = 40
MAX_DB = 90.0  # what 16 bits can hold: stands for digital silence in the pauses


class SnrMeter:
    """Measures the band powers of a recording that come in chunks."""

    def __init__(self, bins_per_band: np.ndarray) -> None:
        """Start with no frames of bands with (n_bands,) bins each."""
        self._levels = LevelHistogram(len(bins_per_band))
        # the power of noise in a band is chi-squared, so its low percentile is known to be that much below its mean
        freedom = 2 * FREE_FRAMES * np.maximum(1.0, bins_per_band / BINS_PER_FREE_BIN)
        self._noise_shares = chi2.ppf(NOISE_PERCENTILE / 100, freedom) / freedom
        self._counts = np.zeros(N_STEPS)  # of frames, by their level
        self._powers = np.zeros(N_STEPS)  # their sum, by their level

    def add(self, bands: np.ndarray) -> None:
        """Take a chunk of (n_frames, n_bands) powers."""
        smoothed = uniform_filter1d(bands, N_SMOOTHED, axis=0, mode="nearest")
        self._levels.add(decibels(smoothed))
        power = smoothed.sum(axis=1)
        steps = level_steps(decibels(power))
        self._counts += np.bincount(steps, minlength=N_STEPS)
        self._powers += np.bincount(steps, weights=power, minlength=N_STEPS)

    def result(self) -> float | None:
        """Return the ratio of speech to noise in dB to 0.1, or None where there is too little sound to tell it from."""
        if self._counts.sum() < MIN_FRAMES or not self._powers[1:].any():
            return None
        noise = float((10 ** (self._levels.percentile(NOISE_PERCENTILE) / 10) / self._noise_shares).sum())
        reached = np.cumsum(self._counts) / self._counts.sum()
        loud = float(step_levels(np.flatnonzero(reached >= SPEECH_PERCENTILE / 100)[0]))
        lowest = max(loud - SPEECH_RANGE_DB, 10 * math.log10(noise) + MIN_ABOVE_NOISE_DB, LOWEST_DB)
        is_speech = step_levels(np.arange(N_STEPS)) > lowest
        n_speech = self._counts[is_speech].sum()
        speech = self._powers[is_speech].sum() / n_speech - noise if n_speech else 0.0
        return round(min(MAX_DB, 10 * math.log10(max(speech, 0.01 * noise) / noise)), 1)

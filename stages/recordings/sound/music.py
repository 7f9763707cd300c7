"""In how much of a recording steady tones sound, as those of music behind speech.

Source: K. Seyerlehner, T. Pohle, M. Schedl and G. Widmer, "Automatic Music Detection in Television Productions",
DAFx 2007. A tone of music stays at one frequency longer than a voice does. A strong hum does so too and counts.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter1d

from stages.recordings.sound.histograms import decibels
from stages.recordings.sound.spectra import NARROW_RATE, NARROW_WINDOW

N_FRAMES = 48  # 0.77 s at a time
LOWEST_HZ = 250.0  # below are the strongest harmonics of a voice, which may stay for a vowel
N_AROUND = 25  # bins, 195 Hz, above whose mean a tone stands out
MIN_TONE_DB = 6.0
MIN_STEADY = 0.8  # of the frames in which a steady tone stands out
MIN_TONES = 2


class MusicMeter:
    """Measures the spectra of a recording at NARROW_RATE that come in blocks."""

    def __init__(self) -> None:
        """Start with no frames."""
        self._rest = np.zeros((0, NARROW_WINDOW // 2 + 1), np.float32)
        self._n_windows = self._n_musical = 0

    def add(self, power: np.ndarray) -> None:
        """Take the next (n_frames, n_bins) power spectra, see spectra.py."""
        power = np.concatenate([self._rest, power])
        n_windows = len(power) // N_FRAMES
        self._rest = power[n_windows * N_FRAMES :]
        if not n_windows:
            return
        levels = decibels(power[: n_windows * N_FRAMES])
        stands_out = levels - uniform_filter1d(levels, N_AROUND, axis=1) > MIN_TONE_DB
        steadiness = stands_out.reshape(n_windows, N_FRAMES, -1).mean(axis=1)
        n_tones = (steadiness[:, round(LOWEST_HZ / NARROW_RATE * NARROW_WINDOW) :] >= MIN_STEADY).sum(axis=1)
        self._n_windows += n_windows
        self._n_musical += int((n_tones >= MIN_TONES).sum())

    def result(self) -> float | None:
        """Return the share of the time, 0 to 1, or None for a recording that is shorter than N_FRAMES."""
        return round(self._n_musical / self._n_windows, 4) if self._n_windows else None

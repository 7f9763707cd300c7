"""Up to which frequency a recording holds sound, whatever its sample rate says.

Speech that was recorded at 8 kHz and converted to 44.1 kHz has nothing above 4 kHz but the rounding of its samples. So
the loud moments of every band are compared with those of the loudest band. Recordings of speech fall by 20 to 40 dB
towards their upper end, and converted ones by 80 dB and more. A conversion that only repeats or connects samples leaves
images of the speech above its bandwidth, and is not found.
"""

from __future__ import annotations

import numpy as np

from stages.recordings.sound.histograms import LOWEST_DB, LevelHistogram, decibels
from stages.recordings.sound.spectra import band_powers

BAND_HZ = 125.0
LOUD_PERCENTILE = 99
RANGE_DB = 60.0  # below the loudest band: what is lower is not sound of the recording
MIN_FRAMES = 8
MIN_HZ = 2000.0  # a sound that ends below is not speech, and nothing is known about what the recording could hold


class BandwidthMeter:
    """Measures the spectra of a recording that come in blocks.

    Args:
        bin_hz: distance of two bins in Hz.
        sample_rate: in Hz.
    """

    def __init__(self, bin_hz: float, sample_rate: int) -> None:
        self._n_bins = max(1, round(BAND_HZ / bin_hz))
        self._band_hz = self._n_bins * bin_hz
        self._n_bands = max(1, int(sample_rate / 2 / self._band_hz))
        self._levels = LevelHistogram(self._n_bands)

    def add(self, power: np.ndarray) -> None:
        """Take the next (n_frames, n_bins) power spectra."""
        self._levels.add(decibels(band_powers(power, self._n_bins * np.arange(self._n_bands + 1))))

    def result(self) -> int | None:
        """Return the bandwidth in Hz, or None where there is no sound like speech to tell it from."""
        if self._levels.counts[0].sum() < MIN_FRAMES:
            return None
        loud = self._levels.percentile(LOUD_PERCENTILE)
        loud[0] = LOWEST_DB  # an offset and rumble
        if loud.max() < LOWEST_DB + RANGE_DB:
            return None
        highest = float(self._band_hz * (np.flatnonzero(loud > loud.max() - RANGE_DB)[-1] + 1))
        return round(highest) if highest >= MIN_HZ else None

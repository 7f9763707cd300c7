"""A fingerprint of what is heard, which survives lossy coding, another gain, another rate and a trimmed start.

Source: J. Haitsma and T. Kalker, "A Highly Robust Audio Fingerprinting System", ISMIR 2002. A bit says whether the
difference between two neighbouring bands rises or falls over time. Here the bands span telephone speech, and a word of
32 bits stands for about 0.4 s, every 32 ms.
"""

from __future__ import annotations

import numpy as np

from stages.recordings.sound.spectra import NARROW_HOP_SECONDS, NARROW_RATE, NARROW_WINDOW, band_powers

N_BITS = 32
BAND_HZ = (250.0, 3400.0)
N_SMOOTHED = 10  # frames: so that a shift by half a frame changes few bits
N_LAG = 12  # frames between which a bit compares
SILENCE_DB = -40.0  # relative to the loudest frame: below is the room, and not what is said
FRAME_SECONDS = NARROW_HOP_SECONDS

_EDGES = np.round(np.geomspace(*BAND_HZ, N_BITS + 2) / NARROW_RATE * NARROW_WINDOW).astype(int)  # of bands, in bins
_BIT_VALUES = (1 << np.arange(N_BITS, dtype=np.uint64)).astype(np.uint64)


class FingerprintMeter:
    """Makes the fingerprint of a recording that comes in blocks."""

    def __init__(self) -> None:
        self._bands = np.zeros((0, N_BITS + 1))
        self._words: list[np.ndarray] = []
        self._levels: list[np.ndarray] = []

    def add(self, power: np.ndarray) -> None:
        """Take the next frames.

        Args:
            power: (n_frames, n_bins) power spectra at NARROW_RATE, see spectra.py.
        """
        bands = np.concatenate([self._bands, np.log(band_powers(power, _EDGES) + 1e-14)])
        n_words = len(bands) - N_SMOOTHED - N_LAG + 1
        if n_words <= 0:
            self._bands = bands
            return
        sums = np.cumsum(np.pad(bands, ((1, 0), (0, 0))), axis=0)
        contrasts = np.diff(sums[N_SMOOTHED:] - sums[:-N_SMOOTHED], axis=1)
        rises = contrasts[N_LAG:] > contrasts[:-N_LAG]
        self._words.append((rises @ _BIT_VALUES).astype(np.uint32))
        centre = (N_SMOOTHED + N_LAG) // 2
        self._levels.append(bands[centre : centre + n_words].max(axis=1).astype(np.float32))
        self._bands = bands[n_words:]

    def result(self) -> np.ndarray:
        """Return (n_words,) uint32, one word every FRAME_SECONDS, 0 where it is silent."""
        if not self._words:
            return np.zeros(0, np.uint32)
        words, levels = np.concatenate(self._words), np.concatenate(self._levels)
        words[levels < levels.max() + SILENCE_DB * np.log(10) / 10] = 0
        return words

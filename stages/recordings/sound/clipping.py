"""The longest stretch in which the waveform stands at its limit.

Clipping that happened before the file was written need not be at full scale. It shows as equal samples at the peak.
"""

from __future__ import annotations

import numpy as np

from metrics.sound import FULL_SCALE

MIN_PEAK = 0.1  # below, rounding to 16 bits makes the top of a wave flat
MIN_RUN = 4  # samples: two or three are at the limit of every loud wave
PEAK_SHARE = 0.95  # of the block's peak, where flat tops count


class ClippingMeter:
    """Measures mono sound that comes in blocks."""

    def __init__(self) -> None:
        """Start with no samples."""
        self._longest = 0
        self._run = 0  # up to the end of the last block
        self._last = 0.0

    def add(self, samples: np.ndarray) -> None:
        """Take the next (n,) float32."""
        if not len(samples):
            return
        size = np.abs(samples)
        before = np.concatenate([[np.float32(self._last)], samples[:-1]])
        high = size >= max(MIN_PEAK, PEAK_SHARE * float(size.max()))
        stuck = (high & (samples == before)) | ((size >= FULL_SCALE) & (np.abs(before) >= FULL_SCALE))
        self._last = float(samples[-1])
        edges = np.diff(np.concatenate([[0], stuck.astype(np.int8), [0]]))
        starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
        lengths = ends - starts
        if len(lengths) and starts[0] == 0:
            lengths[0] += self._run
        self._longest = max(self._longest, int(lengths.max(initial=0)))
        self._run = int(lengths[-1]) if len(lengths) and ends[-1] == len(samples) else 0

    def result(self) -> int:
        """Return the length of the longest run in samples, 0 where it is shorter than MIN_RUN."""
        return self._longest + 1 if self._longest + 1 >= MIN_RUN else 0

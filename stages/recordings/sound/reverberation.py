"""How long a room rings after speech: an estimate of the reverberation time T60 without a reference.

Source: T. de M. Prego, A. A. de Lima, S. L. Netto, B. Lee, A. Said, R. W. Schafer and T. Kalker, "A blind algorithm for
reverberation-time estimation using subband decomposition of speech signals", JASA 131 (2012). Where the level of an
octave falls steadily, a line is fitted to it. Speech itself falls fast, and the room keeps it from falling faster than
60 dB in T60. So the time of the steeper falls tells T60, by a table that was measured on speech in made-up rooms
(benchmarks/data_measures.py).
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter1d

from stages.recordings.sound.histograms import decibels
from stages.recordings.sound.spectra import HOP_SECONDS

N_SMOOTHED = 7  # frames: the level of a short frame fluctuates as it falls
MIN_FALL_FRAMES = 10
MIN_FALL_DB = 10.0
FLOOR_PERCENTILE = 5
MIN_ABOVE_FLOOR_DB = 6.0
N_SKIPPED = 1  # frames at the start of a fall, in which the speaker may still be heard
STEEP_PERCENTILE = 25
MIN_FALLS = 8
# seconds for 60 dB of the steeper falls, and T60 in seconds. Below the first it is 0.2, which stands for a dry room
STEEP_SECONDS = (0.35, 0.413, 0.537, 0.667, 0.807, 0.973)
T60_SECONDS = (0.2, 0.3, 0.5, 0.7, 1.0, 1.5)


class ReverberationMeter:
    """Measures the octave powers of a recording that come in chunks."""

    def __init__(self) -> None:
        """Start with no frames."""
        self._seconds: list[float] = []

    def add(self, octaves: np.ndarray) -> None:
        """Take a chunk of (n_frames, n_octaves) powers."""
        if len(octaves) < MIN_FALL_FRAMES:
            return
        levels = decibels(uniform_filter1d(octaves, N_SMOOTHED, axis=0, mode="nearest"))
        floors = np.percentile(levels, FLOOR_PERCENTILE, axis=0) + MIN_ABOVE_FLOOR_DB
        for octave, floor in zip(levels.T, floors, strict=True):
            self._seconds += _fall_seconds(octave, float(floor))

    def result(self) -> float | None:
        """Return T60 in seconds to 0.01, from 0.2 to 1.5, or None where too few falls are heard."""
        if len(self._seconds) < MIN_FALLS:
            return None
        steep = float(np.percentile(self._seconds, STEEP_PERCENTILE))
        return round(float(np.interp(steep, STEEP_SECONDS, T60_SECONDS)), 2)


def _fall_seconds(levels: np.ndarray, floor: float) -> list[float]:
    """Return how long each steady fall of (n_frames,) dB would take for 60 dB, in seconds."""
    falls = (np.diff(levels) < 0) & (levels[1:] > floor)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], falls, [0]])))
    seconds = []
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        if end - start + 1 >= MIN_FALL_FRAMES and levels[start] - levels[end] >= MIN_FALL_DB:
            fall = levels[start + N_SKIPPED : end + 1]
            times = HOP_SECONDS * (np.arange(len(fall)) - (len(fall) - 1) / 2)
            seconds.append(float(-60 * (times @ times) / (times @ fall)))
    return seconds

"""Percentiles of levels that come in blocks, to half a decibel, in memory that does not grow."""

from __future__ import annotations

import numpy as np

LOWEST_DB = -140.0
STEP_DB = 0.5
N_STEPS = 320  # up to 20 dB


class LevelHistogram:
    """Counts levels of several bands.

    Attributes:
        counts: (n_bands, N_STEPS) number of levels.
    """

    def __init__(self, n_bands: int) -> None:
        """Start with no levels."""
        self.counts = np.zeros((n_bands, N_STEPS), np.int64)

    def add(self, levels: np.ndarray) -> None:
        """Count (n, n_bands) levels in dB."""
        n_bands = self.counts.shape[0]
        cells = level_steps(levels) + N_STEPS * np.arange(n_bands)
        self.counts += np.bincount(cells.ravel(), minlength=self.counts.size).reshape(self.counts.shape)

    def percentile(self, percent: float) -> np.ndarray:
        """Return (n_bands,) dB below which `percent` of the levels lie, 0 to 100. Without levels it is LOWEST_DB."""
        reached = np.cumsum(self.counts, axis=1)
        wanted = np.maximum(1, np.ceil(percent / 100 * reached[:, -1:]))
        return step_levels(np.where(reached[:, -1] > 0, (reached < wanted).sum(axis=1), 0))


def level_steps(levels: np.ndarray) -> np.ndarray:
    """Return the step of each level in dB."""
    return np.clip(np.round((levels - LOWEST_DB) / STEP_DB), 0, N_STEPS - 1).astype(np.int64)


def step_levels(steps: np.ndarray) -> np.ndarray:
    """Return the level of each step in dB."""
    return LOWEST_DB + STEP_DB * steps


def decibels(power: np.ndarray) -> np.ndarray:
    """Return powers in dB, at least LOWEST_DB."""
    return 10 * np.log10(np.maximum(power, 10 ** (LOWEST_DB / 10)))

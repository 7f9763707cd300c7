"""One loudness for every file, by ITU-R BS.1770-4 as pyloudnorm measures it, and peaks below full scale."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyloudnorm

PEAK = 10 ** (-1 / 20)  # of full scale; encoders overshoot by less than 1 dB
BLOCK_SECONDS = 0.4  # shorter speech has no loudness
FULL_SCALE = 32768.0


def set_loudness(file: Path, sample_rate: int, target: float | None) -> float | None:
    """Bring a file of int16 samples to a loudness, and return the loudness that it has then.

    A peak above -1 dBFS ends the amplification, so such a file stays quieter.

    Args:
        file: Of int16 samples, mono. It is rewritten.
        sample_rate: Samples per second.
        target: LUFS, None to leave it as it is.

    Returns:
        LUFS to 0.1, None where the speech is shorter than 0.4 s or silent.
    """
    samples = np.fromfile(file, "<i2").astype(np.float64) / FULL_SCALE
    if len(samples) < BLOCK_SECONDS * sample_rate:
        return None
    loudness = float(pyloudnorm.Meter(sample_rate, block_size=BLOCK_SECONDS).integrated_loudness(samples))
    if not np.isfinite(loudness):
        return None
    if target is None:
        return round(loudness, 1)
    gain = min(10 ** ((target - loudness) / 20), PEAK / np.abs(samples).max())
    samples *= gain * FULL_SCALE  # in its place, because a long text has 0.4 GB of them
    np.clip(np.rint(samples, out=samples), -FULL_SCALE, FULL_SCALE - 1, out=samples)
    samples.astype("<i2").tofile(file)
    return round(loudness + 20 * float(np.log10(gain)), 1)

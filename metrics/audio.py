"""What every judge and measure does to a waveform first."""

import numpy as np
import soxr

SILENCE_RMS_DBFS = -70.0  # about 10 steps of 16-bit audio: digital silence or dither, but not a voice


def checked_waveform(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return the waveform as (n_samples,) float32.

    Raises:
        ValueError: it has another shape, NaN or infinity, or the sample rate is not positive.
    """
    waveform = np.asarray(waveform, dtype=np.float32)
    if waveform.ndim != 1:
        raise ValueError(f"waveform has shape {waveform.shape}; it must be mono, (n_samples,)")
    if sample_rate <= 0:
        raise ValueError(f"sample_rate is {sample_rate}; it must be a positive number of samples per second")
    if not np.isfinite(waveform).all():
        n_bad = int((~np.isfinite(waveform)).sum())
        raise ValueError(f"waveform has {n_bad} samples that are NaN or infinite; every sample must be in [-1, 1]")
    return waveform


def to_rate(waveform: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    """Resample with soxr at high quality.

    Args:
        waveform: (n,) float32.
        from_rate: its sample rate in Hz.
        to_rate: sample rate of the result in Hz.

    Returns:
        (m,) float32.
    """
    if from_rate == to_rate or not len(waveform):
        return waveform
    return soxr.resample(waveform, from_rate, to_rate, quality="HQ").astype(np.float32)


def is_silent(waveform: np.ndarray) -> bool:
    """Return whether a waveform has no samples, or an RMS level below SILENCE_RMS_DBFS."""
    if not len(waveform):
        return True
    return bool(np.sqrt(np.mean(np.square(waveform, dtype=np.float64))) < 10 ** (SILENCE_RMS_DBFS / 20))


def to_int16(waveform: np.ndarray) -> bytes:
    """Return 16-bit little-endian samples, clipped at full scale."""
    return (np.clip(waveform, -1.0, 1.0) * 32767).astype("<i2").tobytes()

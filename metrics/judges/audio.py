"""What every judge does to a waveform before listening."""

import numpy as np
import soxr

SILENCE_RMS_DBFS = -70.0  # about 10 steps of 16-bit audio: digital silence, dither, no voice


def checked_waveform(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    """The waveform as (n,) float32. Raises ValueError for another shape, NaN or infinity, or a rate that is no rate."""
    waveform = np.asarray(waveform, dtype=np.float32)
    if waveform.ndim != 1:
        raise ValueError(f"waveform has shape {waveform.shape}; judges hear mono, (n_samples,)")
    if sample_rate <= 0:
        raise ValueError(f"sample_rate is {sample_rate}; it should be a positive number of samples a second")
    if not np.isfinite(waveform).all():
        n_bad = int((~np.isfinite(waveform)).sum())
        raise ValueError(f"waveform has {n_bad} samples that are NaN or infinite; every sample should be in [-1, 1]")
    return waveform


def to_rate(waveform: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    """(n,) float32 resampled by soxr at high quality."""
    if from_rate == to_rate or not len(waveform):
        return waveform
    return soxr.resample(waveform, from_rate, to_rate, quality="HQ").astype(np.float32)


def is_silent(waveform: np.ndarray) -> bool:
    """Whether there is no sample, or the RMS level is under SILENCE_RMS_DBFS."""
    if not len(waveform):
        return True
    return bool(np.sqrt(np.mean(np.square(waveform, dtype=np.float64))) < 10 ** (SILENCE_RMS_DBFS / 20))


def to_int16(waveform: np.ndarray) -> bytes:
    """16-bit little-endian samples, clipped at full scale."""
    return (np.clip(waveform, -1.0, 1.0) * 32767).astype("<i2").tobytes()

"""Damages clean speech in known ways, to measure how far a speaker judge can be trusted on poor recordings.

The training hears random sessions (augment.py). These are fixed ones, each of one kind, so that a figure says what it
was measured on.
"""

from collections.abc import Callable

import numpy as np
import soxr
import torch

SAMPLE_RATE = 16_000
NOISE_SNR_DB = 10.0
BAND_LIMIT_HZ = 3400.0
REVERB_SECONDS = 0.6  # RT60
DIRECT_TO_REVERB_DB = 3.0
MU = 255  # of the G.711 companding law

Damage = Callable[[np.ndarray, int], np.ndarray]


def add_noise(waveform: np.ndarray, seed: int) -> np.ndarray:
    """Add pink noise at NOISE_SNR_DB. Takes and returns (n,) float32 at SAMPLE_RATE."""
    noise = torch.randn(len(waveform), generator=torch.Generator().manual_seed(seed))
    spectrum = torch.fft.rfft(noise)
    noise = torch.fft.irfft(spectrum / torch.arange(1, len(spectrum) + 1) ** 0.5, n=len(waveform)).numpy()
    gain = np.sqrt(np.mean(waveform**2) / np.mean(noise**2)) * 10 ** (-NOISE_SNR_DB / 20)
    return (waveform + gain * noise).astype(np.float32)


def limit_band(waveform: np.ndarray, seed: int) -> np.ndarray:
    """Remove everything above BAND_LIMIT_HZ. Takes and returns (n,) float32 at SAMPLE_RATE."""
    spectrum = np.fft.rfft(waveform)
    spectrum[np.fft.rfftfreq(len(waveform), 1 / SAMPLE_RATE) > BAND_LIMIT_HZ] = 0
    return np.fft.irfft(spectrum, n=len(waveform)).astype(np.float32)


def add_room(waveform: np.ndarray, seed: int) -> np.ndarray:
    """Add the reverberation of one synthetic room. Takes and returns (n,) float32 at SAMPLE_RATE."""
    n = int(REVERB_SECONDS * SAMPLE_RATE)
    tail = torch.randn(n, generator=torch.Generator().manual_seed(seed)).numpy()
    tail *= 10 ** (-3 * np.arange(n) / n)
    tail[: SAMPLE_RATE // 500] = 0  # the first reflection comes after 2 ms
    tail *= 10 ** (-DIRECT_TO_REVERB_DB / 20) / np.sqrt(np.sum(tail**2))
    tail[0] = 1
    n_fft = len(waveform) + n
    return np.fft.irfft(np.fft.rfft(waveform, n_fft) * np.fft.rfft(tail, n_fft))[: len(waveform)].astype(np.float32)


def code_as_telephone(waveform: np.ndarray, seed: int) -> np.ndarray:
    """Send speech through 8 kHz and the 8 bits of G.711. Takes and returns (n,) float32 at SAMPLE_RATE."""
    narrow = soxr.resample(waveform, SAMPLE_RATE, 8000)
    level = np.clip(narrow / max(1e-8, np.abs(narrow).max()), -1, 1)
    companded = np.sign(level) * np.log1p(MU * np.abs(level)) / np.log1p(MU)
    coded = np.round(companded * 127) / 127
    decoded = np.sign(coded) * np.expm1(np.abs(coded) * np.log1p(MU)) / MU
    return soxr.resample(decoded, 8000, SAMPLE_RATE)[: len(waveform)].astype(np.float32)


DAMAGES: dict[str, Damage] = {
    f"pink noise at {NOISE_SNR_DB:g} dB": add_noise,
    f"nothing above {BAND_LIMIT_HZ:g} Hz": limit_band,
    f"room with {REVERB_SECONDS:g} s of reverberation": add_room,
    "8 kHz and 8 bits (G.711)": code_as_telephone,
}

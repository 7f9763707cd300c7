"""Other voices and rooms from the same speech, for the content encoder. All waveforms are (n,) float32 at 16 kHz."""

from __future__ import annotations

import numpy as np
import soxr

RATE = 16000


def stretch(waveform: np.ndarray, ratio: float) -> np.ndarray:
    """Play the waveform `ratio` times as fast. Formants and pitch rise together, as with a smaller speaker."""
    return soxr.resample(waveform, RATE * ratio, RATE, quality="LQ")


def disturb(waveform: np.ndarray, other: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Apply room, equaliser, band limit, noise, babble and level at random, each with its own probability.

    Args:
        waveform: (n_samples,) float32 speech.
        other: Speech of the same length, which may be added as babble.
        random: The source of all random choices.

    Returns:
        (n_samples,) float32 at a level of -32 to -14 dB RMS.
    """
    n = len(waveform)
    spectrum = np.fft.rfft(waveform, 2 * n)
    frequencies = np.linspace(0, RATE / 2, len(spectrum))
    if random.random() < 0.25:
        spectrum *= np.fft.rfft(_room(random), 2 * n)
    if random.random() < 0.8:
        spectrum *= _equalizer(frequencies, random)
    if random.random() < 0.15:
        spectrum *= 1 / (1 + (frequencies / random.uniform(2800, 7000)) ** 12)
    out = np.fft.irfft(spectrum, 2 * n)[:n]
    level = np.sqrt(np.mean(out**2)) + 1e-6
    if random.random() < 0.6:
        noise = np.fft.irfft(
            np.fft.rfft(random.standard_normal(n)) * _equalizer(np.linspace(0, 8000, n // 2 + 1), random), n
        )
        out = out + noise * (level / (np.sqrt(np.mean(noise**2)) + 1e-9)) * 10 ** (-random.uniform(12, 45) / 20)
    if random.random() < 0.15:
        out = out + other * (level / (np.sqrt(np.mean(other**2)) + 1e-6)) * 10 ** (-random.uniform(8, 22) / 20)
    wanted = 10 ** (random.uniform(-32, -14) / 20)
    return (out * (wanted / (np.sqrt(np.mean(out**2)) + 1e-6))).astype(np.float32)


def _equalizer(frequencies: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return the gains of a smooth curve within about 10 dB, through 7 points evenly spread in octaves."""
    points = np.geomspace(80, 8000, 7)
    return 10 ** (np.interp(np.maximum(frequencies, 1), points, random.normal(0, 5, 7)) / 20)


def _room(random: np.random.Generator) -> np.ndarray:
    """Return an impulse response: the direct sound and a tail of noise that falls by 60 dB in 0.1 to 0.6 s."""
    seconds = random.uniform(0.1, 0.6)
    time = np.arange(int(seconds * RATE)) / RATE
    tail = random.standard_normal(len(time)) * 10 ** (-3 * time / seconds)
    tail *= random.uniform(0.05, 0.5) / np.sqrt(np.sum(tail**2))
    tail[0] += 1
    return tail

"""What forced alignment needs in noise: sound with less of it, and where the pauses are. Pure.

pocketsphinx learned pauses without noise. In noise it gives a pause to the word before it, and its borders between
words move. A spectral subtraction that leaves a third of the noise brings most borders back. A stronger one removes
weak consonants, and words fit no longer. The end of a word before a pause is then found by level.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy.ndimage import uniform_filter1d
from scipy.signal import istft, stft

from metrics.forced_alignment import AlignedWord

SAMPLE_RATE = 16_000
FRAME = 160  # samples, 10 ms
WINDOW = 400  # samples, 25 ms
# Loud above quiet frames. A clip with less is noisy: 24 clean clips of LJSpeech have 40 to 58 dB, those of the sample
# voice 64 to 72, and sentences with noise at 30 dB have 34 to 43
NOISY_BELOW_DB = 40.0
LOUD, QUIET = 0.95, 0.02  # quantiles of the levels of frames
NOISE_QUANTILE = 0.15  # of the power at a frequency: that of the noise, less a third
NOISE_OF_QUANTILE = 1.5
LEAST_GAIN = 0.3
SMOOTH_FRAMES = (5, 3)  # for the gain, and for the level of bands
BAND_EDGES_HZ = (100, 7000)
N_BANDS = 20
N_LOUD_BANDS = 6  # those of a frame that are highest above their noise. A voice is seldom in all
PAUSE_DB = 10.0  # mean of these bands above their noise, below which nobody speaks
MIN_PAUSE_FRAMES = 30  # between two words. Weak consonants are shorter
MIN_LAST_FRAMES = 4  # after the last word
FADE_SECONDS = 0.07  # of a word below PAUSE_DB


def is_noisy(waveform: np.ndarray) -> bool:
    """Return whether a clip's quiet frames are less than NOISY_BELOW_DB below its loud ones.

    Args:
        waveform: (n,) float32 at SAMPLE_RATE. Less than ten windows are not noisy.
    """
    n_frames = len(waveform) // FRAME
    if len(waveform) < 10 * WINDOW:
        return False
    frames = waveform[: n_frames * FRAME].reshape(-1, FRAME)
    levels = 10 * np.log10(np.square(frames, dtype=np.float64).mean(axis=1) + 1e-10)
    loud, quiet = np.quantile(levels, (LOUD, QUIET))
    return bool(loud - quiet < NOISY_BELOW_DB)


def with_less_noise(waveform: np.ndarray) -> np.ndarray:
    """Return a noisy clip with the part of the noise removed that stays the same.

    Args:
        waveform: (n,) float32 at SAMPLE_RATE, at least a window.

    Returns:
        (n,) float32.
    """
    spectra = _spectra(waveform)
    powers = uniform_filter1d(np.square(np.abs(spectra)), SMOOTH_FRAMES[0], axis=1, mode="nearest")
    noise = NOISE_OF_QUANTILE * np.quantile(powers, NOISE_QUANTILE, axis=1, keepdims=True)
    gains = np.maximum(1 - noise / (powers + 1e-12), LEAST_GAIN)
    _, quieter = istft(spectra * gains, SAMPLE_RATE, nperseg=WINDOW, noverlap=WINDOW - FRAME, boundary=True)
    quieter = quieter[: len(waveform)]
    return np.pad(quieter, (0, len(waveform) - len(quieter))).astype(np.float32)


def end_before_pauses(words: Sequence[AlignedWord], waveform: np.ndarray) -> list[AlignedWord]:
    """Return words of a noisy clip with the pauses at their ends cut off.

    Args:
        words: in order.
        waveform: (n,) float32 at SAMPLE_RATE, with its noise.

    Returns:
        The words. No start moves, and an end is never later than before and never before the middle of its word.
    """
    pauses = _pauses(_above_noise(waveform) <= PAUSE_DB)
    n_frames = len(waveform) // FRAME
    ends = []
    for word, after in pairwise([*words, None]):
        middle = (word.start + word.end) / 2
        following = n_frames if after is None else after.start * SAMPLE_RATE / FRAME
        least = MIN_LAST_FRAMES if after is None else MIN_PAUSE_FRAMES
        end = word.end
        for first, stop in pauses:
            first = max(first, middle * SAMPLE_RATE / FRAME)
            reaches_end = word.end * SAMPLE_RATE / FRAME - 3 <= stop and first < following
            if reaches_end and stop - first >= least:
                end = min(end, round(first * FRAME / SAMPLE_RATE + FADE_SECONDS, 3))
        ends.append(end)
    return [AlignedWord(word.word, word.start, end, word.probability) for word, end in zip(words, ends, strict=True)]


def _spectra(waveform: np.ndarray) -> np.ndarray:
    """Return (n_frequencies, n_frames) complex."""
    return stft(waveform, SAMPLE_RATE, nperseg=WINDOW, noverlap=WINDOW - FRAME, boundary="even")[2]


def _above_noise(waveform: np.ndarray) -> np.ndarray:
    """Return (n_frames,) how far the loudest bands of each frame are above their noise, in dB."""
    powers = uniform_filter1d(np.square(np.abs(_spectra(waveform))), SMOOTH_FRAMES[1], axis=1, mode="nearest")
    edges = np.unique(np.round(np.geomspace(*BAND_EDGES_HZ, N_BANDS + 1) * WINDOW / SAMPLE_RATE).astype(int))
    levels = 10 * np.log10(np.stack([powers[low:high].mean(axis=0) for low, high in pairwise(edges)]) + 1e-12)
    above = levels - np.quantile(levels, NOISE_QUANTILE, axis=1, keepdims=True)
    return np.sort(above, axis=0)[-N_LOUD_BANDS:].mean(axis=0)


def _pauses(is_quiet: np.ndarray) -> list[tuple[int, int]]:
    """Return the first frame of each run of quiet frames, and the one after its last."""
    steps = np.diff(np.concatenate([[0], is_quiet.astype(int), [0]]))
    return list(zip(np.flatnonzero(steps == 1).tolist(), np.flatnonzero(steps == -1).tolist(), strict=True))

"""Power spectra of a recording that comes in blocks, so that memory does not grow with its length."""

from __future__ import annotations

import numpy as np
import scipy.fft
import soxr

NARROW_RATE = 8000  # Hz; what fingerprints and the search for music hear of a recording
NARROW_WINDOW = 1024  # samples at NARROW_RATE: 128 ms, so that tones a semitone apart are apart from 130 Hz
NARROW_HOP = 128  # samples at NARROW_RATE
NARROW_HOP_SECONDS = NARROW_HOP / NARROW_RATE
HOP_SECONDS = 0.016
MAX_SAMPLES = 1 << 18  # per step, so that the spectra of a large block need little memory


class SpectrumReader:
    """Cuts blocks into frames. A frame may reach over the edge between two blocks.

    Attributes:
        window: samples per frame.
        hop: samples from one frame to the next.
    """

    def __init__(self, window: int, hop: int) -> None:
        self.window, self.hop = window, hop
        self._n_fft = scipy.fft.next_fast_len(window, real=True)
        shape = np.hanning(window + 2)[1:-1]
        # scaled so that the bins sum up to the mean square
        self._shape = (shape * np.sqrt(2 / (self._n_fft * np.square(shape).sum()))).astype(np.float32)
        self._rest = np.zeros(0, np.float32)

    def read(self, samples: np.ndarray) -> np.ndarray:
        """Return the spectra of the frames that the next samples complete.

        Args:
            samples: (n,) float32, mono, at most MAX_SAMPLES.

        Returns:
            (n_frames, n_bins) float32. The bins of a frame sum up to the mean square of its samples. The first and the
            last count twice.
        """
        samples = np.concatenate([self._rest, samples])
        n_frames = max(0, (len(samples) - self.window) // self.hop + 1)
        self._rest = samples[n_frames * self.hop :].copy()
        if not n_frames:
            return np.zeros((0, self.n_bins), np.float32)
        frames = np.lib.stride_tricks.sliding_window_view(samples, self.window)[:: self.hop][:n_frames]
        spectra = scipy.fft.rfft(frames * self._shape, n=self._n_fft, axis=1)
        squares = spectra.view(np.float32)
        np.square(squares, out=squares)
        return squares[:, ::2] + squares[:, 1::2]

    @property
    def n_bins(self) -> int:
        """Number of bins of a spectrum."""
        return self._n_fft // 2 + 1

    @property
    def bin_share(self) -> float:
        """Distance between two bins, as a share of the sample rate."""
        return 1 / self._n_fft


class NarrowReader:
    """Resamples blocks to NARROW_RATE and returns their spectra.

    Args:
        sample_rate: of the blocks, in Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        self._resampler = soxr.ResampleStream(sample_rate, NARROW_RATE, 1, dtype="float32", quality="HQ")
        self._spectra = SpectrumReader(NARROW_WINDOW, NARROW_HOP)

    def read(self, samples: np.ndarray, *, last: bool = False) -> np.ndarray:
        """Return the (n_frames, n_bins) spectra that the next (n,) float32 samples complete."""
        return self._spectra.read(self._resampler.resample_chunk(samples, last=last))


def band_powers(power: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the power of each band.

    Args:
        power: (n_frames, n_bins) power spectra.
        edges: (n_bands + 1,) first bin of each band, and the bin after the last.

    Returns:
        (n_frames, n_bands) float64.
    """
    return np.add.reduceat(power[:, : edges[-1]], edges[:-1], axis=1).astype(np.float64)

"""Linear and log-mel spectrograms of SoVITS.

Source: HiFi-GAN (Kong et al. 2020), with frames centred on their hop as in VITS.
"""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

MAGNITUDE_FLOOR = 1e-8  # under the root, keeps its gradient finite in silence
LOG_FLOOR = 1e-5  # of the mel magnitudes


def linear_spectrogram(waveform: Tensor, n_fft: int, hop_length: int) -> Tensor:
    """Compute a magnitude spectrogram with a Hann window of n_fft samples.

    The edges are mirrored by (n_fft - hop_length) / 2 samples, so that frame k is centred on its own hop.

    Args:
        waveform: (B, n) float in [-1, 1], n at least hop_length and more than (n_fft - hop_length) / 2.
        n_fft: Samples per window.
        hop_length: Samples from one frame to the next.

    Returns:
        (B, n_fft // 2 + 1, n // hop_length) float, never below 1e-4.

    Raises:
        ValueError: For another shape or less audio.
    """
    pad = (n_fft - hop_length) // 2
    if waveform.dim() != 2 or waveform.shape[1] <= pad or waveform.shape[1] < hop_length:
        raise ValueError(
            f"waveform has shape {tuple(waveform.shape)}; it must be (B, n) with n more than {max(pad, hop_length - 1)}"
        )
    window = torch.hann_window(n_fft, dtype=waveform.dtype, device=waveform.device)
    padded = F.pad(waveform.unsqueeze(1), (pad, pad), mode="reflect").squeeze(1)
    spectrum = torch.stft(padded, n_fft, hop_length, window=window, center=False, return_complex=True)
    return torch.sqrt(spectrum.real.square() + spectrum.imag.square() + MAGNITUDE_FLOOR)


def log_magnitudes(spectrogram: Tensor) -> Tensor:
    """Return a quarter of the natural log of linear magnitudes from 1e-4 up, about -2.3 to 1.5."""
    return 0.25 * torch.log(spectrogram.clamp(min=1e-4))


def log_mel_from_spectrogram(spectrogram: Tensor, sample_rate: int, n_mels: int) -> Tensor:
    """Compute a log-mel spectrogram from linear magnitudes.

    Args:
        spectrogram: (B, n_fft // 2 + 1, T) linear magnitudes.
        sample_rate: Hz
        n_mels: Number of bands.

    Returns:
        (B, n_mels, T), natural log, never below log(1e-5).
    """
    n_fft = 2 * (spectrogram.shape[1] - 1)
    bank = _mel_filters(sample_rate, n_fft, n_mels).to(spectrogram)
    return torch.log(torch.clamp(bank @ spectrogram, min=LOG_FLOOR))


def log_mel_spectrogram(waveform: Tensor, sample_rate: int, n_fft: int, hop_length: int, n_mels: int) -> Tensor:
    """Compute a log-mel spectrogram from a waveform.

    Args:
        waveform: (B, n) float in [-1, 1].
        sample_rate: Hz
        n_fft: Samples per window.
        hop_length: Samples from one frame to the next.
        n_mels: Number of bands.

    Returns:
        (B, n_mels, n // hop_length), natural log, never below log(1e-5).
    """
    return log_mel_from_spectrogram(linear_spectrogram(waveform, n_fft, hop_length), sample_rate, n_mels)


@lru_cache(maxsize=8)
def _mel_filters(sample_rate: int, n_fft: int, n_mels: int) -> Tensor:
    """Return the filters (n_mels, n_fft // 2 + 1) float32 in Slaney's scale and norm, from 0 Hz to half the rate."""
    import librosa.filters  # heavy, and needed only where mels are made

    return torch.from_numpy(librosa.filters.mel(sr=sample_rate, n_fft=n_fft, n_mels=n_mels))

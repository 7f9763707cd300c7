"""Common parts of the three SoVITS stages: the sizes of the model, crops of speech, and the spectral loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from gpt_sovits.sovits.config import SoVITSConfig
from gpt_sovits.sovits.spectrogram import linear_spectrogram, log_mel_spectrogram
from starter.augment import stretch
from starter.phones import PHONES
from starter.settings import Settings
from starter.store import SAMPLE_RATE, Utterance

RESOLUTIONS = ((2048, 512, 80), (1024, 256, 80), (512, 128, 40), (256, 64, 20))  # n_fft, hop, mel bands


def sovits_config(settings: Settings) -> SoVITSConfig:
    """Return the sizes of the starter base's SoVITS."""
    sizes = settings.sovits_network | {"ssl_dim": len(PHONES), "codebook_size": settings.tokens.n_centres}
    return SoVITSConfig(sample_rate=SAMPLE_RATE, **sizes)


def spectral_loss(real: Tensor, generated: Tensor) -> Tensor:
    """Return (), the sum over four resolutions of the mean |difference| of log-mel spectrograms of (B, n_samples)."""
    return torch.stack(
        [
            (log_mel_spectrogram(real, SAMPLE_RATE, *sizes) - log_mel_spectrogram(generated, SAMPLE_RATE, *sizes))
            .abs()
            .mean()
            for sizes in RESOLUTIONS
        ]
    ).sum()


class SpeechCrops:
    """Random crops of speech, each with a longer crop of the same utterance for the style and one ratio for both."""

    def __init__(self, voices: Mapping[str, Sequence[Utterance]], shares: Mapping[str, float]) -> None:
        self.voices, self.names = dict(voices), list(voices)
        weights = np.array([shares.get(name, shares["others"]) for name in self.names])
        self.weights = weights / weights.sum()

    def draw_utterance(self, random: np.random.Generator) -> Utterance:
        """Return an utterance of a random voice."""
        voice = self.voices[self.names[random.choice(len(self.names), p=self.weights)]]
        return voice[random.integers(len(voice))]

    def batch(
        self, random: np.random.Generator, n_rows: int, n: int, n_style: int, largest_stretch: float
    ) -> tuple[Tensor, Tensor]:
        """Return a batch of crops and one of style crops, at levels that vary by 6 dB either way.

        Args:
            random: The source of all random choices.
            n_rows: The batch size B.
            n: Samples per crop.
            n_style: Samples per style crop.
            largest_stretch: The greatest factor by which a row is played faster or slower.

        Returns:
            (B, n) and (B, n_style) float32 in [-1, 1].
        """
        crops, styles = [], []
        for _ in range(n_rows):
            waveform = self.draw_utterance(random).waveform
            ratio = float(np.exp(random.uniform(-1, 1) * np.log(largest_stretch))) if random.random() < 0.7 else 1.0
            gain = 10 ** (random.uniform(-6, 6) / 20)
            crops.append(gain * _crop(waveform, n, ratio, random))
            styles.append(gain * _crop(waveform, n_style, ratio, random))
        batch = [np.clip(np.stack(rows), -1, 1).astype(np.float32) for rows in (crops, styles)]
        return torch.from_numpy(batch[0]), torch.from_numpy(batch[1])


def _crop(waveform: np.ndarray, n: int, ratio: float, random: np.random.Generator) -> np.ndarray:
    n_source = int(n * ratio) + 8
    start = int(random.integers(0, max(1, len(waveform) - n_source)))
    piece = waveform[start : start + n_source].astype(np.float32) / 32768
    if ratio != 1.0:
        piece = stretch(piece, ratio)
    return np.pad(piece[:n], (0, max(0, n - len(piece))))


def spectrogram(waveform: Tensor, config: SoVITSConfig) -> Tensor:
    """Return the linear spectrogram of (B, n_samples) at the resolution of the model."""
    return linear_spectrogram(waveform, config.n_fft, config.hop_length)

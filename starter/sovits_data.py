"""Common parts of the three SoVITS stages: the sizes of the model, crops of speech, and the spectral loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from gpt_sovits.content_encoder.encoder import WHISPER_HEAD, content_width
from gpt_sovits.sovits.config import SoVITSConfig
from gpt_sovits.sovits.spectrogram import linear_spectrogram, log_mel_spectrogram
from starter.augment import stretch
from starter.phones import PHONES
from starter.settings import Settings
from starter.store import SAMPLE_RATE, Utterance
from starter.voices import kind_of

PARTS = ("ref_enc", "enc_q", "dec")  # of SoVITS, which the stage autoencoder trains
RESOLUTIONS = ((2048, 512, 80), (1024, 256, 80), (512, 128, 40), (256, 64, 20))  # n_fft, hop, mel bands


def sovits_config(settings: Settings) -> SoVITSConfig:
    """Return the sizes of the starter base's SoVITS."""
    head = settings.content_encoder.network | {"architectures": (WHISPER_HEAD,), "vocab_size": len(PHONES)}
    sizes = settings.sovits_network | {"ssl_dim": content_width(head), "codebook_size": settings.tokens.n_centres}
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


def voice_weights(voices: Sequence[str], shares: Mapping[str, float]) -> np.ndarray:
    """Return (n_voices,) probabilities: the voices of a kind have its share in equal parts. They add up to 1."""
    kinds = [kind_of(voice) for voice in voices]
    weights = np.array([shares[kind] / kinds.count(kind) for kind in kinds])
    return weights / weights.sum()


class SpeechCrops:
    """Random crops of speech, each with a longer crop of the same speaker for the style and one ratio for both."""

    def __init__(self, voices: Mapping[str, Sequence[Utterance]], shares: Mapping[str, float]) -> None:
        self.voices = list(voices.values())
        self.weights = voice_weights(list(voices), shares)
        self.of_speaker: dict[str, list[Utterance]] = {}
        for utterances in self.voices:
            for one in utterances:
                self.of_speaker.setdefault(one.voice, []).append(one)

    def draw(self, random: np.random.Generator) -> tuple[Utterance, Utterance]:
        """Return an utterance of a random voice, and one of the same speaker, which may be the same one."""
        voice = self.voices[random.choice(len(self.voices), p=self.weights)]
        one = voice[random.integers(len(voice))]
        others = self.of_speaker[one.voice]
        return one, others[random.integers(len(others))]

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
            one, other = self.draw(random)
            ratio = float(np.exp(random.uniform(-1, 1) * np.log(largest_stretch))) if random.random() < 0.7 else 1.0
            gain = 10 ** (random.uniform(-6, 6) / 20)
            crops.append(gain * _crop(one.waveform, n, ratio, random))
            styles.append(gain * _crop(other.waveform, n_style, ratio, random))
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

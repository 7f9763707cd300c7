"""Clips of one speaker as padded batches for the training of the SoVITS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from gpt_sovits.sovits.config import FRAMES_PER_SECOND, FRAMES_PER_TOKEN, SoVITSConfig


@dataclass(frozen=True)
class SoVITSClip:
    """The features of one clip, T frames at 50 Hz. An odd last frame is not used.

    Attributes:
        clip_id: names the clip in errors.
        phoneme_ids: (X,) int64.
        ssl_features: (ssl_dim, T) float32.
        waveform: (T * hop_length,) float32 in [-1, 1] at the config's sample rate.
        spectrogram: (spectrogram_bins, T) float32, linear magnitude.
        speaker_embedding: (speaker_dim,) float32 where the config has a speaker_dim, else None.
    """

    clip_id: str
    phoneme_ids: Tensor
    ssl_features: Tensor
    waveform: Tensor
    spectrogram: Tensor
    speaker_embedding: Tensor | None = None

    @property
    def n_frames(self) -> int:
        """Return the number of frames that are used, which is even."""
        return self.spectrogram.shape[1] // FRAMES_PER_TOKEN * FRAMES_PER_TOKEN

    @property
    def seconds(self) -> float:
        """Return the length of the frames that are used."""
        return self.n_frames / FRAMES_PER_SECOND

    def tensors(self) -> dict[str, Tensor]:
        """Return the features that the clip has, by name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if isinstance(getattr(self, f.name), Tensor)}


@dataclass(frozen=True)
class SoVITSBatch:
    """B clips, padded on the right with zeros to the longest and to at least the length of a crop. T is even."""

    phoneme_ids: Tensor  # (B, X) int64
    phoneme_lengths: Tensor  # (B,)
    ssl_features: Tensor  # (B, ssl_dim, T)
    waveforms: Tensor  # (B, 1, T * hop_length)
    spectrograms: Tensor  # (B, spectrogram_bins, T)
    frame_lengths: Tensor  # (B,) even
    speaker_embeddings: Tensor | None  # (B, speaker_dim)

    def to(self, device: str) -> SoVITSBatch:
        """Return the batch on a device."""
        tensors = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) is not None}
        return replace(self, **{name: tensor.to(device) for name, tensor in tensors.items()})


def check_clip(clip: SoVITSClip, config: SoVITSConfig) -> None:
    """Check that a clip fits the SoVITS.

    Raises:
        ValueError: a tensor has a wrong shape or value. The message names the clip, the tensor and what would be right.
    """
    n = clip.spectrogram.shape[-1]
    for name, wanted in (
        ("spectrogram", (config.spectrogram_bins, n)),
        ("ssl_features", (config.ssl_dim, n)),
        ("waveform", (n * config.hop_length,)),
        ("phoneme_ids", (max(1, clip.phoneme_ids.numel()),)),
        ("speaker_embedding", (config.speaker_dim,) if config.speaker_dim else None),
    ):
        tensor = getattr(clip, name)
        seen = None if tensor is None else tuple(tensor.shape)
        if seen != wanted and not (wanted is None and name == "speaker_embedding"):
            raise ValueError(
                f"clip {clip.clip_id}: {name} has shape {seen}, it must be {wanted}; make the features again with "
                "this base model"
            )
        if tensor is not None and tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"clip {clip.clip_id}: {name} holds NaN or infinity; make the features again")
    if n < FRAMES_PER_TOKEN:
        raise ValueError(f"clip {clip.clip_id}: {n} frames are too few, there must be at least {FRAMES_PER_TOKEN}")
    low, high = int(clip.phoneme_ids.min()), int(clip.phoneme_ids.max())
    if low < 0 or high >= config.n_symbols:
        raise ValueError(f"clip {clip.clip_id}: phoneme_ids must be in [0, {config.n_symbols}), found {low}..{high}")


def collate(clips: Sequence[SoVITSClip], config: SoVITSConfig, least_frames: int) -> SoVITSBatch:
    """Return clips as one padded batch on the CPU, in their order.

    Args:
        clips: the clips.
        config: the SoVITS's config.
        least_frames: the batch has at least this number of frames.
    """
    lengths = [clip.n_frames for clip in clips]
    n = max(*lengths, least_frames)
    n += n % FRAMES_PER_TOKEN
    hop = config.hop_length

    def pad(rows: list[Tensor], width: int) -> Tensor:
        return torch.stack([F.pad(row, (0, width - row.shape[-1])) for row in rows])

    return SoVITSBatch(
        phoneme_ids=pad_sequence([clip.phoneme_ids for clip in clips], batch_first=True),
        phoneme_lengths=torch.tensor([len(clip.phoneme_ids) for clip in clips]),
        ssl_features=pad([c.ssl_features[:, :t] for c, t in zip(clips, lengths, strict=True)], n),
        waveforms=pad([c.waveform[None, : t * hop] for c, t in zip(clips, lengths, strict=True)], n * hop),
        spectrograms=pad([c.spectrogram[:, :t] for c, t in zip(clips, lengths, strict=True)], n),
        frame_lengths=torch.tensor(lengths),
        speaker_embeddings=torch.stack([clip.speaker_embedding for clip in clips]) if config.speaker_dim else None,
    )


def draw_noise(batch: SoVITSBatch, config: SoVITSConfig, generators: Sequence[torch.Generator]) -> Tensor:
    """Return the noise of the posterior encoder, which is standard normal and zero beyond a row's length.

    Each row comes from its own generator at its own length, so that it does not depend on the other rows.

    Args:
        batch: B clips.
        config: the SoVITS's config.
        generators: one per row.

    Returns:
        (B, latent_channels, T).
    """
    noise = torch.zeros(len(generators), config.latent_channels, batch.spectrograms.shape[2])
    for row, n, generator in zip(noise, batch.frame_lengths.tolist(), generators, strict=True):
        row[:, :n] = torch.randn(config.latent_channels, n, generator=generator)
    return noise

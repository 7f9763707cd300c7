"""The speaker encoder: a waveform to the speaker embedding that v2Pro and v2ProPlus add to the style (upstream: sv).

    waveform -> 80 log-mel bands (Kaldi's fbank) -> ERes2NetV2 -> mean over time, 20480 values

Sources: ERes2NetV2 (Chen et al. 2024, 3D-Speaker), as GPT-SoVITS v2Pro uses it: the features before its pooling head.
Module names are those of the official file. Shapes: B batch, C channels, F mel bands, T frames of 10 ms.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn

from gpt_sovits.sovits.config import ModelConfig
from gpt_sovits.weights.checkpoint import load_checkpoint, load_weights, save_checkpoint

SPEAKER_SAMPLE_RATE = 16000
WINDOW_SAMPLES, HOP_SAMPLES = 400, 160  # 25 ms and 10 ms
STRIDES = (1, 2, 2, 2)  # of the four stages, in frequency and time
RELU_LIMIT = 20.0  # of the blocks' activations
FUSED_STAGES = (2, 3)  # their blocks weight the splits instead of adding them
# the head of the official file, which classifies its training speakers and is not used here
UNUSED_TENSORS = frozenset({"seg_1.weight", "seg_1.bias"})


class SpeakerEncoderConfig(ModelConfig):
    """Sizes of ERes2NetV2. The defaults are official (eres2netv2 w24 s4 ep4)."""

    n_mels: PositiveInt = Field(80, multiple_of=8, description="bands of the log-mel features")
    n_channels: PositiveInt = Field(
        64, multiple_of=8, description="width of the first stage, which each further stage doubles"
    )
    base_width: PositiveInt = Field(24, description="channels of one split per 64 channels of its stage")
    scale: PositiveInt = Field(4, description="splits: groups of channels that a block processes one after the other")
    expansion: PositiveInt = Field(4, description="a block's outputs in units of its stage's width")
    n_blocks: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt] = (3, 4, 6, 3)

    @property
    def embedding_dim(self) -> int:
        """Number of values in an embedding: the channels of the last stage at its remaining frequencies."""
        return 8 * self.n_channels * self.expansion * (self.n_mels // 8)

    @model_validator(mode="after")
    def _check_width(self) -> Self:
        if self.n_channels * self.base_width < 64:
            raise ValueError(
                f"n_channels {self.n_channels} times base_width {self.base_width} must be at least 64: "
                "their product divided by 64 is the number of channels of a split"
            )
        return self


def clipped_relu(x: Tensor) -> Tensor:
    """Return x limited to [0, RELU_LIMIT]."""
    return F.hardtanh(x, 0.0, RELU_LIMIT)


class Fusion(nn.Module):
    """Fuses two maps of the same shape into one. Each has a factor in (0, 2), and the factors sum to 2."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = channels // 4
        self.local_att = nn.Sequential(
            nn.Conv2d(2 * channels, inner, 1),
            nn.BatchNorm2d(inner),
            nn.SiLU(),
            nn.Conv2d(inner, channels, 1),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Fuse two maps of shape (B, C, F, T) into one."""
        weight = 1 + torch.tanh(self.local_att(torch.cat((x, y), dim=1)))
        return x * weight + y * (2 - weight)


class Block(nn.Module):
    """A residual block whose middle convolution processes the splits in turn, each with the output of the last."""

    def __init__(self, n_in: int, width: int, n_splits: int, n_out: int, stride: int, *, fused: bool) -> None:
        super().__init__()
        self.width = width
        self.conv1 = nn.Conv2d(n_in, n_splits * width, 1, stride, bias=False)
        self.bn1 = nn.BatchNorm2d(n_splits * width)
        self.convs = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(n_splits))
        self.bns = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(n_splits))
        if fused:
            self.fuse_models = nn.ModuleList(Fusion(width) for _ in range(n_splits - 1))
        self.conv3 = nn.Conv2d(n_splits * width, n_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(n_out)
        self.shortcut = nn.Sequential()
        if stride != 1 or n_in != n_out:
            self.shortcut = nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out))
        self.fused = fused

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, n_in, F, T) to (B, n_out, F / stride, T / stride), both rounded up."""
        splits = clipped_relu(self.bn1(self.conv1(x))).split(self.width, dim=1)
        outputs: list[Tensor] = []
        for i, split in enumerate(splits):
            if i:
                split = self.fuse_models[i - 1](outputs[-1], split) if self.fused else outputs[-1] + split
            outputs.append(clipped_relu(self.bns[i](self.convs[i](split))))
        return clipped_relu(self.bn3(self.conv3(torch.cat(outputs, dim=1))) + self.shortcut(x))


class SpeakerEncoder(nn.Module):
    """ERes2NetV2 up to its pooling head."""

    def __init__(self, config: SpeakerEncoderConfig) -> None:
        super().__init__()
        self.config = c = config
        self.conv1 = nn.Conv2d(1, c.n_channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(c.n_channels)
        n_in = c.n_channels
        for stage, (n_blocks, stride) in enumerate(zip(c.n_blocks, STRIDES, strict=True)):
            planes = c.n_channels * 2**stage
            n_out, width = planes * c.expansion, planes * c.base_width // 64
            blocks = []
            for i in range(n_blocks):
                fused = stage in FUSED_STAGES
                blocks.append(Block(n_in, width, c.scale, n_out, 1 if i else stride, fused=fused))
                n_in = n_out
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.layer3_ds = nn.Conv2d(n_in // 2, n_in, 3, 2, padding=1, bias=False)
        self.fuse34 = Fusion(n_in)

    def forward(self, features: Tensor) -> Tensor:
        """Map features of `fbank`, (B, T, n_mels) without padded rows, to embeddings, (B, embedding_dim)."""
        x = features.transpose(1, 2).unsqueeze(1)  # (B, 1, F, T)
        x = F.relu(self.bn1(self.conv1(x)))
        third = self.layer3(self.layer2(self.layer1(x)))  # (B, C / 2, F / 4, T / 4)
        fused = self.fuse34(self.layer4(third), self.layer3_ds(third))  # (B, C, F / 8, T / 8)
        return fused.flatten(1, 2).mean(dim=2)


def fbank(waveform: Tensor, n_mels: int = 80) -> Tensor:
    """Return Kaldi's log-mel features of a 16 kHz waveform, without dither and without subtracting their mean.

    Args:
        waveform: (n,) float in [-1, 1] at 16 kHz (not scaled to 16-bit integers), n at least 400.
        n_mels: Number of bands.

    Returns:
        (1 + (n - 400) // 160, n_mels) float32, the natural log of energies in Povey windows of 25 ms every 10 ms.
    """
    from torchaudio.compliance import kaldi  # a heavy import that only this function needs

    if waveform.dim() != 1 or waveform.shape[0] < WINDOW_SAMPLES:
        raise ValueError(
            f"waveform has shape {tuple(waveform.shape)}; it must be (n,) with at least {WINDOW_SAMPLES} samples"
        )
    return kaldi.fbank(
        waveform[None],
        num_mel_bins=n_mels,
        sample_frequency=SPEAKER_SAMPLE_RATE,
        frame_length=1000 * WINDOW_SAMPLES / SPEAKER_SAMPLE_RATE,
        frame_shift=1000 * HOP_SAMPLES / SPEAKER_SAMPLE_RATE,
        dither=0.0,
    )


@torch.no_grad()
def speaker_embedding(encoder: SpeakerEncoder, waveform: Tensor, sample_rate: int) -> Tensor:
    """Return the embedding of one clip, as SoVITS.style_embedding takes it.

    Args:
        encoder: A speaker encoder in eval mode.
        waveform: (n,) float in [-1, 1], at least 25 ms.
        sample_rate: In Hz, 32000 in the official pipeline. The waveform is resampled to 16 kHz.

    Returns:
        (embedding_dim,) float32, not normalised. The official sizes give 20480 values.

    Raises:
        ValueError: If the clip is too short, not one-dimensional, or contains NaN or infinite samples.
    """
    from torchaudio.functional import resample  # the official pipeline's resampling

    if not torch.isfinite(waveform).all():
        raise ValueError("waveform holds NaN or infinite samples; it must be finite and in [-1, 1]")
    device = encoder.conv1.weight.device
    features = fbank(resample(waveform.float(), sample_rate, SPEAKER_SAMPLE_RATE), encoder.config.n_mels)
    return encoder(features[None].to(device))[0]


def save_speaker_encoder(folder: Path, encoder: SpeakerEncoder) -> None:
    """Write a checkpoint folder of kind "speaker_encoder". An existing one is replaced."""
    save_checkpoint(folder, "speaker_encoder", encoder.config.to_dict(), encoder.state_dict())


def load_speaker_encoder(folder: Path) -> SpeakerEncoder:
    """Load the speaker encoder of a checkpoint folder, in eval mode. Raises CheckpointError if it is another kind."""
    config, state = load_checkpoint(folder, "speaker_encoder")
    encoder = SpeakerEncoder(SpeakerEncoderConfig.from_dict(config))
    load_weights(encoder, state, f"the speaker encoder in {folder}")
    return encoder.eval().requires_grad_(False)

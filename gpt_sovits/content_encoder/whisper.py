"""Whisper's encoder, frozen, and a small head on it that gives phone posteriors.

Whisper (Radford et al. 2022, https://arxiv.org/abs/2212.04356) was trained on 680,000 hours of people, so its encoder
hears the same phone in every voice, which an encoder that learned from a few voices does not. Posteriors on a frozen
speech recogniser are known as PPG in voice conversion (Sun et al. 2016).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from typing import ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from gpt_sovits.content_encoder.melody import melody_features
from gpt_sovits.content_encoder.whisper_weights import WHISPERS, load_whisper_encoder_weights
from gpt_sovits.sovits.config import ModelConfig
from gpt_sovits.weights.checkpoint import CheckpointError

SAMPLE_RATE, N_FFT, HOP = 16000, 400, 160  # of Whisper's log mel spectrogram
FRAME_SAMPLES = 320
TAIL_FRAMES = 50  # of silence after the speech: Whisper was trained on speech that ends in silence
MAX_FRAMES = 1500 - TAIL_FRAMES  # of the encoder, 29 s
WINDOW_FRAMES, CONTEXT_FRAMES = 1250, 100  # longer speech is heard in windows, with context on both sides
LEVEL = 0.1  # RMS that speech is brought to, -20 dBFS, so that its loudness does not matter
MAX_GAIN = 1000.0
NORM_EPS = 1e-5


class WhisperHeadConfig(ModelConfig):
    """Sizes of a head, and which encoder it was trained on."""

    added: ClassVar[frozenset[str]] = frozenset({"melody_weight"})

    architectures: tuple[str, ...] = ("WhisperPosteriors",)
    encoder: str = Field(description="key of WHISPERS")
    encoder_sha256: str = Field(description="hash of the weights that the head was trained on")
    hidden_size: int = Field(gt=0, le=4096, description="channels of the head")
    n_layers: int = Field(ge=0, le=16, description="convolutions before the last one")
    kernel_size: int = Field(gt=0, le=99, description="frames that each of them sees, odd")
    vocab_size: int = Field(gt=1, le=4096, description="number of phones")
    id2label: dict[str, str] | None = Field(default=None, description="phone of each output")
    melody_weight: float = Field(default=0.0, ge=0, le=10, description="of the melody (melody.py), 0: without it")


class WhisperEncoder(nn.Module):
    """The encoder of a Whisper. Its weights are in a package, so they are not part of the state dict."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        for name, tensor in weights.items():
            self.register_buffer(name.replace("/", "_"), tensor, persistent=False)
        self.n_layers = sum(name.endswith("ffn/layer_norm/gamma") for name in weights)
        self.n_heads = int(weights["num_heads"])
        self.width = len(weights["layer_norm/gamma"])
        self.n_mels = weights["conv1/weight"].shape[1]
        self.register_buffer("mel_filters", _mel_filters(self.n_mels), persistent=False)
        self.register_buffer("stft_window", torch.hann_window(N_FFT), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """Return the hidden states of (B, n) samples at 16 kHz: (B, n // 320, width), n // 320 at most 1500."""
        x = self.log_mel(waveform)
        x = F.gelu(F.conv1d(x, self.conv1_weight, self.conv1_bias, padding=1))
        x = F.gelu(F.conv1d(x, self.conv2_weight, self.conv2_bias, stride=2, padding=1)).transpose(1, 2)
        x = x + self.position_encodings_encodings[: x.shape[1]]
        for number in range(self.n_layers):
            x = x + self._attend(f"layer_{number}_self_attention", x)
            ffn = f"layer_{number}_ffn"
            x = x + self._linear(f"{ffn}_linear_1", F.gelu(self._linear(f"{ffn}_linear_0", self._norm(ffn, x))))
        return self._norm("", x)

    def log_mel(self, waveform: Tensor) -> Tensor:
        """Return Whisper's log mel spectrogram of (B, n) samples: (B, n_mels, n // 160)."""
        spectrum = torch.stft(waveform, N_FFT, HOP, window=self.stft_window, return_complex=True)[..., :-1]
        mel = torch.matmul(self.mel_filters, spectrum.abs().square()).clamp_min(1e-10).log10()
        floor = mel.amax(dim=(1, 2), keepdim=True) - 8.0
        return (torch.maximum(mel, floor) + 4.0) / 4.0

    def _attend(self, name: str, x: Tensor) -> Tensor:
        joined = self._linear(f"{name}_linear_0", self._norm(name, x))
        query, key, value = (part.unflatten(2, (self.n_heads, -1)).transpose(1, 2) for part in joined.chunk(3, dim=2))
        return self._linear(
            f"{name}_linear_1", F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        )

    def _linear(self, name: str, x: Tensor) -> Tensor:
        return F.linear(x, getattr(self, f"{name}_weight"), getattr(self, f"{name}_bias"))

    def _norm(self, name: str, x: Tensor) -> Tensor:
        norm = f"{name}_layer_norm" if name else "layer_norm"
        return F.layer_norm(x, (self.width,), getattr(self, f"{norm}_gamma"), getattr(self, f"{norm}_beta"), NORM_EPS)


class WhisperPosteriors(nn.Module):
    """Whisper's encoder and a head of convolutions that names the phone of each frame."""

    def __init__(self, config: WhisperHeadConfig) -> None:
        super().__init__()
        weights = load_whisper_encoder_weights(config.encoder)
        package = WHISPERS[config.encoder]
        if config.encoder_sha256 != package.sha256:
            raise CheckpointError(
                f"the content encoder was trained on {config.encoder} with SHA-256 {config.encoder_sha256[:12]}..., "
                f"and {package.requirement} has {package.sha256[:12]}...; take the version of Voxfoundry that the "
                "base was made with"
            )
        self.encoder = WhisperEncoder(weights)
        widths = [self.encoder.width, *[config.hidden_size] * config.n_layers]
        self.convolutions = nn.ModuleList(
            nn.Conv1d(before, after, config.kernel_size, padding=config.kernel_size // 2)
            for before, after in pairwise(widths)
        )
        self.output = nn.Conv1d(widths[-1], config.vocab_size, 1)
        self.melody_weight = config.melody_weight

    def hidden(self, waveform: Tensor) -> Tensor:
        """Return the encoder's states of (B, n) samples, at one level: (B, n // 320, width)."""
        n_frames = waveform.shape[1] // FRAME_SAMPLES
        waveform = at_level(waveform[:, : n_frames * FRAME_SAMPLES])
        if n_frames <= MAX_FRAMES:
            return self._hear(waveform)
        parts = []
        for start in range(0, n_frames, WINDOW_FRAMES):
            first, last = max(0, start - CONTEXT_FRAMES), min(n_frames, start + WINDOW_FRAMES + CONTEXT_FRAMES)
            states = self._hear(waveform[:, first * FRAME_SAMPLES : last * FRAME_SAMPLES])
            parts.append(states[:, start - first : start - first + WINDOW_FRAMES])
        return torch.cat(parts, dim=1)

    def _hear(self, waveform: Tensor) -> Tensor:
        return self.encoder(F.pad(waveform, (0, TAIL_FRAMES * FRAME_SAMPLES)))[:, :-TAIL_FRAMES]

    def classify(self, hidden: Tensor) -> Tensor:
        """Return the logits of the encoder's states (B, T, width): (B, T, vocab_size)."""
        x = hidden.transpose(1, 2)
        for convolution in self.convolutions:
            x = F.gelu(convolution(x))
        return self.output(x).transpose(1, 2)

    def forward(self, waveform: Tensor) -> Tensor:
        """Return the logits of (B, n) samples at 16 kHz: (B, n // 320, vocab_size)."""
        return self.classify(self.hidden(waveform))

    def features(self, waveform: Tensor) -> Tensor:
        """Return the square roots of the posteriors, then the weighted melody: (B, n // 320, ssl_dim)."""
        posteriors = self(waveform).softmax(dim=2).sqrt()
        if not self.melody_weight:
            return posteriors
        n = posteriors.shape[1] * FRAME_SAMPLES
        return torch.cat([posteriors, self.melody_weight * melody_features(waveform[:, :n], SAMPLE_RATE)], dim=2)


def at_level(waveform: Tensor) -> Tensor:
    """Return (B, n) samples at LEVEL, each row by its own. Silence is raised by MAX_GAIN at most."""
    level = waveform.square().mean(dim=1, keepdim=True).sqrt()
    return waveform * (LEVEL / level.clamp_min(LEVEL / MAX_GAIN))


@cache
def _mel_filters(n_mels: int) -> Tensor:
    """Return (n_mels, N_FFT // 2 + 1): Slaney's triangles, as Whisper uses them."""
    from torchaudio.functional import melscale_fbanks

    filters = melscale_fbanks(
        N_FFT // 2 + 1, 0.0, SAMPLE_RATE / 2, n_mels, SAMPLE_RATE, norm="slaney", mel_scale="slaney"
    )
    return filters.T.contiguous()

"""The style of a speaker from a spectrogram of any length (`ref_enc`).

Source: Meta-StyleSpeech (Min et al. 2021), the mel-style encoder, as GPT-SoVITS v2 uses it on a linear spectrogram.
"""

from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor, nn

P_DROPOUT = 0.1  # fixed in the official models, whatever their p_dropout


class NamedLinear(nn.Module):
    """A Linear one level deeper, because the official keys say `.fc.weight`."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.fc = nn.Linear(n_in, n_out)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., n_in) to (..., n_out)."""
        return self.fc(x)


class GatedConvolution(nn.Module):
    """A residual gated convolution: x + a * sigmoid(b), where one convolution makes a and b."""

    def __init__(self, channels: int, kernel_size: int) -> None:
        super().__init__()
        self.conv1 = nn.Module()
        self.conv1.conv = nn.Conv1d(channels, 2 * channels, kernel_size, padding=kernel_size // 2)
        self.drop = nn.Dropout(P_DROPOUT)

    def forward(self, x: Tensor) -> Tensor:
        """Compute (B, C, T) from (B, C, T)."""
        values, gates = self.conv1.conv(x).chunk(2, dim=1)
        return x + self.drop(values * torch.sigmoid(gates))


class StyleSelfAttention(nn.Module):
    """Self-attention over (B, T, C) with a residual and no norm."""

    def __init__(self, channels: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        # The official models divide by the root of the model's width, not by that of the head's width.
        self.temperature = sqrt(channels)
        self.w_qs = nn.Linear(channels, channels)
        self.w_ks = nn.Linear(channels, channels)
        self.w_vs = nn.Linear(channels, channels)
        self.fc = nn.Linear(channels, channels)
        self.drop = nn.Dropout(P_DROPOUT)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Compute (B, T, C) from x (B, T, C). mask: (B, 1, T), at least one 1 per row."""
        q, k, v = (
            linear(x).unflatten(2, (self.n_heads, -1)).transpose(1, 2) for linear in (self.w_qs, self.w_ks, self.w_vs)
        )
        scores = q @ k.transpose(2, 3) / self.temperature  # (B, H, T, T)
        weights = torch.softmax(scores.masked_fill(mask.unsqueeze(2) == 0, float("-inf")), dim=-1)
        out = (self.drop(weights) @ v).transpose(1, 2).flatten(2)
        return self.drop(self.fc(out)) + x


class ReferenceEncoder(nn.Module):
    """A linear spectrogram to a style embedding.

    Attributes:
        padding_leaks: Upstream masks only after the convolutions, so the biases of padding reach the last frames of a
            short row and its style depends on its neighbours in the batch. True reproduces that, for comparisons with
            upstream.
    """

    def __init__(self, n_bins: int, hidden: int, n_heads: int, kernel_size: int, out_channels: int) -> None:
        super().__init__()
        self.spectral = nn.Sequential(
            NamedLinear(n_bins, hidden),
            nn.Mish(),
            nn.Dropout(P_DROPOUT),
            NamedLinear(hidden, hidden),
            nn.Mish(),
            nn.Dropout(P_DROPOUT),
        )
        self.temporal = nn.Sequential(GatedConvolution(hidden, kernel_size), GatedConvolution(hidden, kernel_size))
        self.slf_attn = StyleSelfAttention(hidden, n_heads)
        self.fc = NamedLinear(hidden, out_channels)
        self.padding_leaks = False

    def forward(self, spectrogram: Tensor, mask: Tensor) -> Tensor:
        """Return the style (B, out_channels, 1) of linear magnitudes.

        spectrogram: (B, n_bins, T), mask: (B, 1, T), 0 = padding
        """
        x = self.spectral((spectrogram * mask).transpose(1, 2)).transpose(1, 2)  # (B, hidden, T)
        for convolution in self.temporal:
            x = convolution(x if self.padding_leaks else x * mask)
        x = self.slf_attn((x * mask).transpose(1, 2), mask)
        x = self.fc(x).transpose(1, 2)  # (B, out_channels, T)
        return (x * mask).sum(dim=2, keepdim=True) / mask.sum(dim=2, keepdim=True)

"""Multi-head attention of the SoVITS encoders, with learned relative positions in a narrow band.

Sources: Shaw et al. 2018, "Self-Attention with Relative Position Representations", and VITS (Kim et al. 2021).
Shapes: B batch, C channels, H heads, D = C / H, T queries, S keys, W = 2 * window + 1.
"""

from __future__ import annotations

from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Finite as in upstream, so that a row whose keys are all masked averages instead of giving NaN.
MASKED_SCORE = -1e4


def band_to_square(band: Tensor) -> Tensor:
    """Spread a band (..., T, W) into a square (..., T, T).

    Entry (i, j) of the square is band[i, j - i + window], and 0 outside the band. Rows of T + W, read as rows of
    T + W - 1, move row i by i columns to the right.
    """
    n, width = band.shape[-2:]
    rows = F.pad(band, (0, n)).flatten(-2)[..., : n * (n + width - 1)]
    return rows.unflatten(-1, (n, n + width - 1))[..., width // 2 : width // 2 + n]


def square_to_band(square: Tensor, width: int) -> Tensor:
    """Cut the band (..., T, width) out of a square (..., T, T).

    Entry (i, r) of the band is square[i, i + r - window], and 0 outside the square.
    """
    n = square.shape[-1]
    rows = F.pad(square, (width // 2, width // 2)).flatten(-2)
    return F.pad(rows, (0, n)).unflatten(-1, (n, n + width))[..., :width]


class MultiHeadAttention(nn.Module):
    """Attention over (B, C, T) with 1x1 convolutions as projections.

    Relative keys and values are learned for distances up to `window` and shared by the heads. With window 0 there are
    none, and queries and keys may have different lengths.
    """

    def __init__(self, channels: int, n_heads: int, window: int = 0, p_dropout: float = 0.0) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.head_dim = channels // n_heads
        self.window = window
        if window:
            shape = (1, 2 * window + 1, self.head_dim)
            self.emb_rel_k = nn.Parameter(torch.randn(shape) * self.head_dim**-0.5)
            self.emb_rel_v = nn.Parameter(torch.randn(shape) * self.head_dim**-0.5)
        self.conv_q = nn.Conv1d(channels, channels, 1)
        self.conv_k = nn.Conv1d(channels, channels, 1)
        self.conv_v = nn.Conv1d(channels, channels, 1)
        self.conv_o = nn.Conv1d(channels, channels, 1)
        self.drop = nn.Dropout(p_dropout)
        for conv in (self.conv_q, self.conv_k, self.conv_v):
            nn.init.xavier_uniform_(conv.weight)

    def _split_heads(self, x: Tensor) -> Tensor:
        return x.unflatten(1, (self.n_heads, self.head_dim)).transpose(2, 3)  # (B, C, T) -> (B, H, T, D)

    def forward(self, query: Tensor, key: Tensor, mask: Tensor) -> Tensor:
        """Attend to `key`, which also holds the values.

        Args:
            query: (B, C, T)
            key: (B, C, S)
            mask: (B, 1, T or 1, S), 0 = must not be seen.

        Returns:
            (B, C, T)
        """
        q = self._split_heads(self.conv_q(query)) / sqrt(self.head_dim)
        k = self._split_heads(self.conv_k(key))
        v = self._split_heads(self.conv_v(key))
        scores = q @ k.transpose(2, 3)  # (B, H, T, S)
        if self.window:
            scores = scores + band_to_square(q @ self.emb_rel_k.transpose(1, 2))
        scores = scores.masked_fill(mask == 0, MASKED_SCORE)
        weights = self.drop(torch.softmax(scores, dim=-1))
        out = weights @ v  # (B, H, T, D)
        if self.window:
            out = out + square_to_band(weights, 2 * self.window + 1) @ self.emb_rel_v
        return self.conv_o(out.transpose(2, 3).flatten(1, 2))

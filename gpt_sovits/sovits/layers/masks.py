"""Masks and crops of padded batches."""

from __future__ import annotations

import torch
from torch import Tensor


def length_mask(lengths: Tensor, n: int) -> Tensor:
    """Return a mask (B, 1, n) float32 that is 1 where a position belongs to its row and 0 where it is padding.

    lengths: (B,) int, n: width of the batch, at least the largest length
    """
    positions = torch.arange(n, device=lengths.device)
    return (positions[None, :] < lengths[:, None]).unsqueeze(1).float()


def apply_mask(x: Tensor, mask: Tensor | None) -> Tensor:
    """Set x to zero where the mask is 0. Without a mask, return x as it is."""
    return x if mask is None else x * mask


def take_segments(x: Tensor, starts: Tensor, n: int) -> Tensor:
    """Cut n frames out of each row: row b of the result (B, C, n) is x[b, :, starts[b] : starts[b] + n].

    x: (B, C, T), starts: (B,) int
    """
    return torch.stack([row[:, start : start + n] for row, start in zip(x, starts.tolist(), strict=True)])

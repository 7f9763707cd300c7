"""Masks of padded batches."""

from __future__ import annotations

import torch
from torch import Tensor


def length_mask(lengths: Tensor, n: int) -> Tensor:
    """1 where a position belongs to its row, 0 where it is padding.

    lengths: (B,) int; n: width of the batch, at least the greatest length
    returns: (B, 1, n) float32
    """
    positions = torch.arange(n, device=lengths.device)
    return (positions[None, :] < lengths[:, None]).unsqueeze(1).float()

"""The noise of the latent, always drawn on the CPU so that a seed means the same on every device."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def row_noise(
    shape: tuple[int, ...], lengths: Tensor, generator: torch.Generator | Sequence[torch.Generator]
) -> Tensor:
    """Draw standard normal noise for a batch, row by row at the row's own length.

    Args:
        shape: (B, C, T) of the result.
        lengths: Frames of each row, (B,).
        generator: One for all rows in turn, or one per row.

    Returns:
        (B, C, T) on the CPU, zero beyond each row's length.
    """
    noise = torch.zeros(shape)
    generators = [generator] * shape[0] if isinstance(generator, torch.Generator) else generator
    for row, (n, source) in enumerate(zip(lengths.tolist(), generators, strict=True)):
        noise[row, :, :n] = frame_noise(shape[1], n, source)
    return noise


def frame_noise(channels: int, n_frames: int, generator: torch.Generator) -> Tensor:
    """Draw standard normal noise (channels, n_frames) on the CPU, frame after frame.

    n frames now and m later are the n + m frames of one call, so that a stream has the noise of the whole. torch draws
    normals in blocks of 16, and an incomplete last block in another way, so each frame is drawn as whole blocks.
    """
    width = -(-channels // 16) * 16
    return torch.randn(n_frames, width, generator=generator)[:, :channels].T

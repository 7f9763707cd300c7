"""Checks of what SoVITS is to decode, with errors that name what is wrong."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gpt_sovits.sovits.config import SoVITSConfig


def require(condition: bool, message: str) -> None:
    """Raise ValueError with the message unless the condition holds."""
    if not condition:
        raise ValueError(message)


def check_ids(name: str, ids: Tensor, n: int) -> None:
    """Raise ValueError unless ids are (B, at least 1) int64 in [0, n)."""
    require(
        ids.dim() == 2 and ids.numel() > 0 and ids.dtype == torch.int64,
        f"{name} has shape {tuple(ids.shape)} and dtype {ids.dtype}; it must be (B, at least 1) int64",
    )
    require(
        int(ids.min()) >= 0 and int(ids.max()) < n,
        f"{name} holds values from {int(ids.min())} to {int(ids.max())}; they must be in 0..{n - 1}",
    )


def resolve_lengths(name: str, lengths: Tensor | None, padded: Tensor) -> Tensor:
    """Return the lengths (B,) of the rows of `padded` (B, n), all n where None is given.

    Raises ValueError, which starts with `name`, for lengths that do not fit.
    """
    n_rows, n = padded.shape
    if lengths is None:
        return torch.full((n_rows,), n, device=padded.device)
    require(
        lengths.shape == (n_rows,) and bool(((lengths >= 1) & (lengths <= n)).all()),
        f"{name} is {lengths.tolist()}; it must be {n_rows} numbers from 1 to {n}",
    )
    return lengths


def check_decode(
    config: SoVITSConfig,
    codes: Tensor,
    phoneme_ids: Tensor,
    style: Tensor,
    speed: float,
    noise_scale: float,
    generator: torch.Generator | Sequence[torch.Generator] | None,
) -> None:
    """Raise ValueError, which names the first wrong one, unless these are arguments of `SoVITS.decode`."""
    check_ids("codes", codes, config.codebook_size)
    check_ids("phoneme_ids", phoneme_ids, config.n_symbols)
    require(
        codes.shape[0] == phoneme_ids.shape[0],
        f"{codes.shape[0]} rows of codes but {phoneme_ids.shape[0]} of phoneme_ids; the numbers must be equal",
    )
    require(
        style.dim() == 3 and style.shape[0] in (1, codes.shape[0]) and style.shape[1:] == (config.style_channels, 1),
        f"style has shape {tuple(style.shape)}; it must be (1 or {codes.shape[0]}, {config.style_channels}, 1)",
    )
    require(speed > 0, f"speed is {speed}; it must be above 0")
    require(noise_scale >= 0, f"noise_scale is {noise_scale}; it must be at least 0")
    require(
        noise_scale == 0 or generator is not None,
        f"noise_scale is {noise_scale} without a generator; pass a seeded torch.Generator, or noise_scale 0",
    )
    n_generators = len(generator) if isinstance(generator, Sequence) else codes.shape[0]
    require(
        n_generators == codes.shape[0],
        f"{n_generators} generators for {codes.shape[0]} rows of codes; pass one per row, or a single one for all",
    )

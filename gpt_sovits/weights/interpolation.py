"""Weights between those of a base and those adapted from it.

Fine-tuned weights that are pulled back towards the base keep more of its abilities, at some cost of what they learned
(Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def interpolate_states(base: Mapping[str, Tensor], adapted: Mapping[str, Tensor], weight: float) -> dict[str, Tensor]:
    """Return base + weight * (adapted - base), computed in float32 and stored in the adapted tensor's type.

    Args:
        base: the base's tensors.
        adapted: the adapted tensors.
        weight: interpolation weight in [0, 1]. 0 gives the base, 1 the adapted weights.

    Returns:
        The interpolated tensors. Integer tensors are the adapted ones.

    Raises:
        ValueError: names or shapes differ, or the weight is outside of [0, 1].
    """
    if not 0 <= weight <= 1:
        raise ValueError(f"the interpolation weight must be from 0 to 1, not {weight}")
    if unmatched := sorted(base.keys() ^ adapted.keys()):
        raise ValueError(f"base and adapted weights do not have the same names: {', '.join(unmatched[:5])}")
    interpolated = {}
    for name, tensor in adapted.items():
        if base[name].shape != tensor.shape:
            raise ValueError(f"{name} is {tuple(base[name].shape)} in the base and {tuple(tensor.shape)} adapted")
        if tensor.is_floating_point():
            tensor = torch.lerp(base[name].float(), tensor.float(), weight).to(tensor.dtype)
        interpolated[name] = tensor.contiguous()
    return interpolated

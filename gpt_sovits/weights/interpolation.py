"""Weights between a base and what it was adapted to.

Fine-tuned weights that are drawn back towards those they came from keep more of what the base could do, at some cost of
what they learnt (Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def interpolate_states(base: Mapping[str, Tensor], adapted: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """base + share * (adapted - base), computed in float32, each tensor in the adapted one's type.

    share: in [0, 1], of the adapted weights; tensors that are no floating point numbers are the adapted ones
    Raises ValueError where names or shapes differ, or the share is outside.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"a share of adapted weights must be from 0 to 1, not {share}")
    if odd := sorted(base.keys() ^ adapted.keys()):
        raise ValueError(f"base and adapted weights do not have the same names: {', '.join(odd[:5])}")
    blended = {}
    for name, tensor in adapted.items():
        if base[name].shape != tensor.shape:
            raise ValueError(f"{name} is {tuple(base[name].shape)} in the base and {tuple(tensor.shape)} adapted")
        if tensor.is_floating_point():
            tensor = torch.lerp(base[name].float(), tensor.float(), share).to(tensor.dtype)
        blended[name] = tensor.contiguous()
    return blended

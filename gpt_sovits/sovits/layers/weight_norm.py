"""Convolutions whose weight is stored as length and direction: weight = weight_g * weight_v / |weight_v|.

torch's own parametrization names its tensors differently (parametrizations.weight.original0/1). The official files have
`weight_g` and `weight_v`, and these small classes keep those names. The norm is taken over all dimensions but the
first, which is the *input* channel for a transposed convolution.
Source: Salimans and Kingma 2016, "Weight Normalization".
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def _norm(weight: Tensor) -> Tensor:
    """Return the Euclidean norm of each first-dimension slice of (A, ...) as (A, 1, ...)."""
    return torch.linalg.vector_norm(weight, dim=tuple(range(1, weight.dim())), keepdim=True)


class _WeightNorm:
    """A mixin for convolutions. Invariant: there is either `weight`, or `weight_g` and `weight_v`."""

    def split_weight(self) -> None:
        """Replace `weight` by `weight_g` and `weight_v`."""
        weight = self.weight.detach()
        del self.weight
        self.weight_g = nn.Parameter(_norm(weight))
        self.weight_v = nn.Parameter(weight)

    def normed_weight(self) -> Tensor:
        """Return the weight that the convolution uses."""
        if "weight" in self._parameters:
            return self.weight
        return self.weight_v * (self.weight_g / _norm(self.weight_v))

    def fold(self) -> None:
        """Replace `weight_g` and `weight_v` by `weight` for faster inference. Folding twice changes nothing."""
        if "weight" in self._parameters:
            return
        weight = self.normed_weight().detach()
        del self.weight_g, self.weight_v
        self.weight = nn.Parameter(weight)


class NormedConv1d(_WeightNorm, nn.Conv1d):
    """Conv1d with weight normalisation (zero padding only)."""

    def __init__(self, *args: int, **kwargs: int) -> None:
        super().__init__(*args, **kwargs)
        self.split_weight()

    def forward(self, x: Tensor) -> Tensor:
        """Convolve x (B, C, T) with the normalised weight."""
        return F.conv1d(x, self.normed_weight(), self.bias, self.stride, self.padding, self.dilation, self.groups)


class NormedConv2d(_WeightNorm, nn.Conv2d):
    """Conv2d with weight normalisation (zero padding only)."""

    def __init__(self, *args: int | tuple[int, int], **kwargs: int | tuple[int, int]) -> None:
        super().__init__(*args, **kwargs)
        self.split_weight()

    def forward(self, x: Tensor) -> Tensor:
        """Convolve x (B, C, H, W) with the normalised weight."""
        return F.conv2d(x, self.normed_weight(), self.bias, self.stride, self.padding, self.dilation, self.groups)


class NormedConvTranspose1d(_WeightNorm, nn.ConvTranspose1d):
    """ConvTranspose1d with weight normalisation over the input channels."""

    def __init__(self, *args: int, **kwargs: int) -> None:
        super().__init__(*args, **kwargs)
        self.split_weight()

    def forward(self, x: Tensor) -> Tensor:
        """Convolve x (B, C, T) with the normalised weight."""
        return F.conv_transpose1d(x, self.normed_weight(), self.bias, self.stride, self.padding)


def fold_weight_norm(model: nn.Module) -> nn.Module:
    """Fold every weight norm of the model in place for inference, and return the same model."""
    for module in model.modules():
        if isinstance(module, _WeightNorm):
            module.fold()
    return model

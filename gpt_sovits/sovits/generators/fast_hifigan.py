"""The HiFi-GAN generator for inference on a CPU: the same network with less memory traffic.

Frames lie with their channels side by side, so that oneDNN need not reorder them before and after every convolution.
What follows a convolution (leaky ReLU, residual) happens where its result is written. In bfloat16 the convolutions read
half the bytes and use the CPU's bfloat16 units, where it has some. Each sum is still made in float32.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gpt_sovits.pausing import pause_point
from gpt_sovits.sovits.generators.hifigan import SLOPE, HiFiGANGenerator
from gpt_sovits.sovits.layers.masks import length_mask

LAST_SLOPE = 0.01


class FusedConv(nn.Module):
    """A convolution over time with what follows it, computed as a 2D one of height 1.

    Its weights are buffers, so it cannot be trained.
    """

    def __init__(self, conv: nn.Conv1d, dtype: torch.dtype, scale: float = 1.0) -> None:
        super().__init__()
        weight = (conv.weight.detach() * scale).unsqueeze(2).to(dtype)
        self.register_buffer("weight", weight.to(memory_format=torch.channels_last))
        self.register_buffer("bias", None if conv.bias is None else conv.bias.detach().to(dtype))
        self.padding, self.dilation = [0, conv.padding[0]], [1, conv.dilation[0]]

    def forward(self, x: Tensor, slope: float | None = None) -> Tensor:
        """Convolve x (B, C, 1, T), channels last, and apply a leaky ReLU of this slope, if any."""
        relu = ("none", []) if slope is None else ("leaky_relu", [slope])
        return torch.ops.mkldnn._convolution_pointwise(
            x, self.weight, self.bias, self.padding, [1, 1], self.dilation, 1, *relu, ""
        )

    def add_to_(self, residual: Tensor, x: Tensor) -> Tensor:
        """Add the convolution of x to `residual` in place and return `residual`."""
        return torch.ops.mkldnn._convolution_pointwise_.binary(
            residual, x, self.weight, self.bias, self.padding, [1, 1], self.dilation, 1, "add", 1.0, None, [], None
        )


class FusedUpsample(nn.Module):
    """A transposed convolution over time, in the same layout."""

    def __init__(self, conv: nn.ConvTranspose1d, dtype: torch.dtype, scale: float) -> None:
        super().__init__()
        weight = (conv.weight.detach() * scale).unsqueeze(2).to(dtype)
        self.register_buffer("weight", weight.to(memory_format=torch.channels_last))
        self.register_buffer("bias", conv.bias.detach().to(dtype))
        self.stride, self.padding = (1, conv.stride[0]), (0, conv.padding[0])

    def forward(self, x: Tensor) -> Tensor:
        """Upsample x (B, C, 1, T), channels last."""
        return F.conv_transpose2d(x, self.weight, self.bias, self.stride, self.padding)


class FastHiFiGANGenerator(nn.Module):
    """The inference form of a `HiFiGANGenerator` whose weight norms are folded, equal to it up to rounding."""

    def __init__(self, generator: HiFiGANGenerator, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        self.upsample_rates, self.n_kernels = generator.upsample_rates, generator.n_kernels
        # The mean over the blocks is left to the next convolution: a leaky ReLU does not mind a positive factor.
        mean = 1 / self.n_kernels
        self.conv_pre, self.cond = FusedConv(generator.conv_pre, dtype), generator.cond
        self.ups = nn.ModuleList(FusedUpsample(up, dtype, mean if i else 1.0) for i, up in enumerate(generator.ups))
        self.resblocks = nn.ModuleList(
            nn.ModuleList(FusedConv(conv, dtype) for pair in zip(b.convs1, b.convs2, strict=True) for conv in pair)
            for b in generator.resblocks
        )
        self.conv_post = FusedConv(generator.conv_post, dtype, mean)

    def forward(self, z: Tensor, style: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Generate the waveform as `HiFiGANGenerator.forward` does. z, style and the result are float32."""
        mask = None if lengths is None else length_mask(lengths, z.shape[2])[:, None].to(self.dtype)  # (B, 1, 1, T)
        x = z[:, :, None].to(self.dtype, memory_format=torch.channels_last)
        x = self._mask_(self.conv_pre(self._mask_(x, mask)) + self.cond(style)[:, :, None].to(self.dtype), mask)
        for stage, (rate, up) in enumerate(zip(self.upsample_rates, self.ups, strict=True)):
            if mask is not None:
                mask = mask.repeat_interleave(rate, dim=3)
            x = self._mask_(up(F.leaky_relu_(x, SLOPE)), mask)
            *others, last = self.resblocks[stage * self.n_kernels : (stage + 1) * self.n_kernels]
            sums = [self._block_(block, x.clone(), mask) for block in others]
            x = self._block_(last, x, mask)
            for y in sums:
                x.add_(y)
        x = self.conv_post(F.leaky_relu_(x, LAST_SLOPE))
        return self._mask_(torch.tanh(x.float()), mask)[:, :, 0]

    def _block_(self, convs: nn.ModuleList, x: Tensor, mask: Tensor | None) -> Tensor:
        for dilated, plain in zip(convs[::2], convs[1::2], strict=True):
            pause_point()
            y = self._mask_(dilated(F.leaky_relu(x, SLOPE), SLOPE), mask)
            x = self._mask_(plain.add_to_(x, y), mask)
        return x

    def _mask_(self, x: Tensor, mask: Tensor | None) -> Tensor:
        return x if mask is None else x.mul_(mask)

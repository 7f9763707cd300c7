"""HiFi-GAN, the generator of the official models: latent frames to a waveform (`dec`).

Source: HiFi-GAN (Kong et al. 2020) with its residual block of type 1, conditioned on the style as in VITS.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gpt_sovits.pausing import pause_point
from gpt_sovits.sovits.layers.masks import apply_mask, length_mask
from gpt_sovits.sovits.layers.weight_norm import NormedConv1d, NormedConvTranspose1d

SLOPE = 0.1  # of all leaky ReLUs but the last one
EDGE_KERNEL = 7  # of the first and the last convolution


class ResidualBlock(nn.Module):
    """Pairs of a dilated and a plain convolution, each pair with a residual."""

    def __init__(self, channels: int, kernel_size: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(
            NormedConv1d(channels, channels, kernel_size, dilation=d, padding=d * (kernel_size // 2)) for d in dilations
        )
        self.convs2 = nn.ModuleList(
            NormedConv1d(channels, channels, kernel_size, padding=kernel_size // 2) for _ in dilations
        )

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Compute (B, C, n) from x (B, C, n). mask: (B, 1, n), 0 = beyond the row's end, or None."""
        for dilated, plain in zip(self.convs1, self.convs2, strict=True):
            pause_point()
            y = apply_mask(dilated(F.leaky_relu(x, SLOPE)), mask)
            x = x + apply_mask(plain(F.leaky_relu(y, SLOPE)), mask)
        return x


def upsampling_stages(
    width: int,
    rates: tuple[int, ...],
    kernel_sizes: tuple[int, ...],
    resblock_kernel_sizes: tuple[int, ...],
    resblock_dilations: tuple[tuple[int, ...], ...],
) -> tuple[nn.ModuleList, nn.ModuleList, int]:
    """Build the upsampling stages. Every stage halves the number of channels.

    Args:
        width: Channels before the first stage.
        rates: How many times longer each stage makes its input.
        kernel_sizes: Kernel of each stage's transposed convolution.
        resblock_kernel_sizes: Kernel of each residual block of a stage.
        resblock_dilations: Dilations of each residual block of a stage.

    Returns:
        The transposed convolutions, the residual blocks of one stage after the other, and the channels at the end.
    """
    ups, resblocks = nn.ModuleList(), nn.ModuleList()
    for rate, kernel in zip(rates, kernel_sizes, strict=True):
        ups.append(NormedConvTranspose1d(width, width // 2, kernel, rate, padding=(kernel - rate) // 2))
        width //= 2
        for size, dilations in zip(resblock_kernel_sizes, resblock_dilations, strict=True):
            resblocks.append(ResidualBlock(width, size, dilations))
    return ups, resblocks, width


def upsample(
    x: Tensor, mask: Tensor | None, rates: tuple[int, ...], ups: nn.ModuleList, resblocks: nn.ModuleList
) -> tuple[Tensor, Tensor | None]:
    """Run the upsampling stages. The residual blocks of a stage are averaged.

    Args:
        x: (B, C, n)
        mask: (B, 1, n), 0 = beyond the row's end, or None.
        rates: Those of `upsampling_stages`.
        ups: Its transposed convolutions.
        resblocks: Its residual blocks.

    Returns:
        The result and its mask, both longer by the product of the rates.
    """
    for stage, (rate, up) in enumerate(zip(rates, ups, strict=True)):
        n_kernels = len(resblocks) // len(ups)
        if mask is not None:
            mask = mask.repeat_interleave(rate, dim=2)
        x = apply_mask(up(F.leaky_relu(x, SLOPE)), mask)
        blocks = resblocks[stage * n_kernels : (stage + 1) * n_kernels]
        x = sum(block(x, mask) for block in blocks) / n_kernels
    return x, mask


class HiFiGANGenerator(nn.Module):
    """Transposed convolutions up to the sample rate, with residual blocks after each."""

    def __init__(
        self,
        latent_channels: int,
        initial_channel: int,
        upsample_rates: tuple[int, ...],
        upsample_kernel_sizes: tuple[int, ...],
        resblock_kernel_sizes: tuple[int, ...],
        resblock_dilations: tuple[tuple[int, ...], ...],
        style_channels: int,
    ) -> None:
        super().__init__()
        self.upsample_rates = upsample_rates
        self.n_kernels = len(resblock_kernel_sizes)
        self.conv_pre = nn.Conv1d(latent_channels, initial_channel, EDGE_KERNEL, padding=EDGE_KERNEL // 2)
        self.ups, self.resblocks, width = upsampling_stages(
            initial_channel, upsample_rates, upsample_kernel_sizes, resblock_kernel_sizes, resblock_dilations
        )
        self.conv_post = nn.Conv1d(width, 1, EDGE_KERNEL, padding=EDGE_KERNEL // 2, bias=False)
        self.cond = nn.Conv1d(style_channels, initial_channel, 1)

    def forward(self, z: Tensor, style: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Generate the waveform of latent frames.

        Args:
            z: (B, latent_channels, T)
            style: (B, style_channels, 1)
            lengths: Frames of each row, (B,). Every layer then zeroes what lies beyond, exactly as the zero padding of
                a row decoded alone, and the waveform is zero there. None means that all rows have T frames.

        Returns:
            (B, 1, T * product of the upsample rates), in (-1, 1)
        """
        out_dtype, z, style = z.dtype, z.to(self.cond.weight.dtype), style.to(self.cond.weight.dtype)
        mask = None if lengths is None else length_mask(lengths, z.shape[2]).to(z.dtype)
        x = apply_mask(self.conv_pre(apply_mask(z, mask)) + self.cond(style), mask)
        x, mask = upsample(x, mask, self.upsample_rates, self.ups, self.resblocks)
        # The last slope is torch's default of 0.01, not 0.1: the official weights were trained with it.
        return apply_mask(torch.tanh(self.conv_post(F.leaky_relu(x)).to(out_dtype)), mask)

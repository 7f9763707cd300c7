"""The non-causal WaveNet inside the posterior encoder and the flow.

Source: WaveGlow (Prenger et al. 2018), as used by VITS.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gpt_sovits.sovits.layers.weight_norm import NormedConv1d


class WaveNet(nn.Module):
    """Gated convolutions, with the style added in every layer."""

    def __init__(self, channels: int, kernel_size: int, n_layers: int, style_channels: int) -> None:
        super().__init__()
        self.channels = channels
        last = n_layers - 1
        self.in_layers = nn.ModuleList(
            NormedConv1d(channels, 2 * channels, kernel_size, padding=kernel_size // 2) for _ in range(n_layers)
        )
        # The last layer has no residual half: nothing follows it.
        self.res_skip_layers = nn.ModuleList(
            NormedConv1d(channels, channels if i == last else 2 * channels, 1) for i in range(n_layers)
        )
        self.cond_layer = NormedConv1d(style_channels, 2 * channels * n_layers, 1)

    def forward(self, x: Tensor, mask: Tensor, style: Tensor) -> Tensor:
        """Compute (B, C, T), zero where masked.

        Args:
            x: (B, C, T)
            mask: (B, 1, T), 0 = padding.
            style: (B, style_channels, 1)
        """
        skips = torch.zeros_like(x)
        conditions = self.cond_layer(style).chunk(len(self.in_layers), dim=1)
        for in_layer, res_skip_layer, condition in zip(self.in_layers, self.res_skip_layers, conditions, strict=True):
            values, gates = (in_layer(x) + condition).chunk(2, dim=1)
            out = res_skip_layer(torch.tanh(values) * torch.sigmoid(gates))
            if out.shape[1] == 2 * self.channels:
                residual, out = out.chunk(2, dim=1)
                x = (x + residual) * mask
            skips = skips + out
        return skips * mask

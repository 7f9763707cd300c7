"""The posterior encoder (`enc_q`) and the normalising flow between prior and posterior (`flow`).

Source: VITS (Kim et al. 2021).
Shapes: z (B, latent_channels, T), mask (B, 1, T), style (B, style_channels, 1).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gpt_sovits.pausing import pause_point
from gpt_sovits.sovits.layers.wavenet import WaveNet


class PosteriorEncoder(nn.Module):
    """A real spectrogram to a sample of the latent. Used in training only."""

    def __init__(
        self, n_bins: int, latent_channels: int, hidden: int, kernel_size: int, n_layers: int, style_channels: int
    ) -> None:
        super().__init__()
        self.pre = nn.Conv1d(n_bins, hidden, 1)
        self.enc = WaveNet(hidden, kernel_size, n_layers, style_channels)
        self.proj = nn.Conv1d(hidden, 2 * latent_channels, 1)

    def forward(self, spectrogram: Tensor, mask: Tensor, style: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Sample the latent z = mean + noise * exp(log deviation).

        No gradient flows from here into the style: the reference encoder learns from the prior and the generator.

        Args:
            spectrogram: (B, n_bins, T)
            mask: (B, 1, T), 0 = padding.
            style: (B, style_channels, 1)
            noise: Standard normal, (B, latent_channels, T).

        Returns:
            z, the mean and the log deviation, each (B, latent_channels, T) and zero where masked.
        """
        x = self.enc(self.pre(spectrogram) * mask, mask, style.detach())
        mean, log_deviation = (self.proj(x) * mask).chunk(2, dim=1)
        return (mean + noise * log_deviation.exp()) * mask, mean, log_deviation


class Coupling(nn.Module):
    """Mean-only affine coupling, in which one half of the channels shifts the other."""

    def __init__(self, channels: int, hidden: int, kernel_size: int, n_layers: int, style_channels: int) -> None:
        super().__init__()
        self.pre = nn.Conv1d(channels // 2, hidden, 1)
        self.enc = WaveNet(hidden, kernel_size, n_layers, style_channels)
        self.post = nn.Conv1d(hidden, channels // 2, 1)
        nn.init.zeros_(self.post.weight)  # a new flow starts as the identity
        nn.init.zeros_(self.post.bias)

    def forward(self, z: Tensor, mask: Tensor, style: Tensor, *, reverse: bool) -> Tensor:
        """Add the shift to the second half of the channels, or subtract it with reverse=True."""
        fixed, shifted = z.chunk(2, dim=1)
        shift = self.post(self.enc(self.pre(fixed) * mask, mask, style)) * mask
        shifted = (shifted - shift) * mask if reverse else shifted * mask + shift
        return torch.cat([fixed, shifted], dim=1)


class Flip(nn.Module):
    """A reversal of the channels, so that the next coupling shifts the other half."""

    def forward(self, z: Tensor, mask: Tensor, style: Tensor, *, reverse: bool) -> Tensor:
        """Reverse the channels. This is its own inverse."""
        return z.flip(1)


class Flow(nn.Module):
    """An invertible map of the latent, given the style."""

    def __init__(
        self, channels: int, hidden: int, kernel_size: int, n_layers: int, n_flows: int, style_channels: int
    ) -> None:
        super().__init__()
        self.flows = nn.ModuleList()
        for _ in range(n_flows):
            self.flows.append(Coupling(channels, hidden, kernel_size, n_layers, style_channels))
            self.flows.append(Flip())

    def forward(self, z: Tensor, mask: Tensor, style: Tensor, *, reverse: bool = False) -> Tensor:
        """Map z of the posterior to z of the prior, or back with reverse=True. Both are zero where masked."""
        for layer in reversed(self.flows) if reverse else self.flows:
            pause_point()
            z = layer(z, mask, style, reverse=reverse)
        return z

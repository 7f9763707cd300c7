"""The critics of the adversarial training: one on the waveform and one on each period.

Source: HiFi-GAN (Kong et al. 2020), with the single scale discriminator and the layer table of VITS / GPT-SoVITS v2.
Shapes: waveforms are (B, 1, n), scores (B, any), and feature maps have any shape with B first.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from gpt_sovits.sovits.config import DiscriminatorConfig
from gpt_sovits.sovits.layers.weight_norm import NormedConv1d, NormedConv2d

SLOPE = 0.1
SCALE_KERNELS = (15, 41, 41, 41, 41, 5)
SCALE_STRIDES = (1, 4, 4, 4, 4, 1)
PERIOD_KERNEL, PERIOD_STRIDE = 5, 3


class _Discriminator(nn.Module):
    """Convolutions with leaky ReLUs, and a last convolution to a single channel."""

    convs: nn.ModuleList
    conv_post: nn.Module

    def _score(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        features = []
        for conv in self.convs:
            x = F.leaky_relu(conv(x), SLOPE)
            features.append(x)
        x = self.conv_post(x)
        features.append(x)
        return x.flatten(1), features


class ScaleDiscriminator(_Discriminator):
    """A critic of the waveform itself."""

    def __init__(self, channels: tuple[int, ...], groups: tuple[int, ...]) -> None:
        super().__init__()
        widths = (1, *channels)
        self.convs = nn.ModuleList(
            NormedConv1d(widths[i], widths[i + 1], kernel, stride, padding=kernel // 2, groups=groups[i])
            for i, (kernel, stride) in enumerate(zip(SCALE_KERNELS, SCALE_STRIDES, strict=True))
        )
        self.conv_post = NormedConv1d(widths[-1], 1, 3, padding=1)

    def forward(self, waveforms: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the score and the feature maps (B, C, n / stride) of waveforms (B, 1, n)."""
        return self._score(waveforms)


class PeriodDiscriminator(_Discriminator):
    """A critic of every p-th sample, for one period p."""

    def __init__(self, period: int, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.period = period
        widths = (1, *channels)
        last = len(channels) - 1
        self.convs = nn.ModuleList(
            NormedConv2d(
                widths[i],
                widths[i + 1],
                (PERIOD_KERNEL, 1),
                (1 if i == last else PERIOD_STRIDE, 1),
                padding=(PERIOD_KERNEL // 2, 0),
            )
            for i in range(len(channels))
        )
        self.conv_post = NormedConv2d(widths[-1], 1, (3, 1), padding=(1, 0))

    def forward(self, waveforms: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the score and the feature maps (B, C, n / period / stride, period) of waveforms (B, 1, n).

        The end is mirrored where n is not a multiple of the period.
        """
        missing = -waveforms.shape[2] % self.period
        if missing:
            waveforms = F.pad(waveforms, (0, missing), mode="reflect")
        return self._score(waveforms.unflatten(2, (-1, self.period)))  # (B, 1, n / p, p)


class Discriminator(nn.Module):
    """All critics: the scale discriminator first, then the periods in the order of the config."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        self.discriminators = nn.ModuleList(
            [
                ScaleDiscriminator(config.scale_channels, config.scale_groups),
                *(PeriodDiscriminator(period, config.period_channels) for period in config.periods),
            ]
        )

    def forward(self, waveforms: Tensor) -> tuple[list[Tensor], list[list[Tensor]]]:
        """Return the score and the feature maps, the score layer included, of each critic for waveforms (B, 1, n)."""
        scores, features = zip(*(discriminator(waveforms) for discriminator in self.discriminators), strict=True)
        return list(scores), list(features)

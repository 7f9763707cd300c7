"""The generator that a SoVITSConfig names."""

from __future__ import annotations

from gpt_sovits.sovits.config import SoVITSConfig
from gpt_sovits.sovits.generators.hifigan import HiFiGANGenerator
from gpt_sovits.sovits.generators.istft import ISTFTGenerator


def build_generator(c: SoVITSConfig) -> HiFiGANGenerator | ISTFTGenerator:
    """Return an untrained generator of the kind and the sizes that a config names."""
    sizes = (
        c.latent_channels,
        c.upsample_initial_channel,
        c.upsample_rates,
        c.upsample_kernel_sizes,
        c.resblock_kernel_sizes,
        c.resblock_dilations,
        c.style_channels,
    )
    if c.generator == "hifigan":
        return HiFiGANGenerator(*sizes)
    return ISTFTGenerator(
        *sizes,
        trunk_dilations=c.trunk_dilations,
        n_fft=c.istft_n_fft,
        hop=c.istft_hop,
        harmonics=c.istft_harmonics,
        sample_rate=c.sample_rate,
    )

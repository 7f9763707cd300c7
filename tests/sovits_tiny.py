"""A tiny SoVITS for tests, and synthetic clips for it."""

from __future__ import annotations

import torch

from gpt_sovits.adaptation.sovits_batch import SoVITSClip
from gpt_sovits.sovits.config import DiscriminatorConfig, SoVITSConfig
from gpt_sovits.sovits.model import SoVITS
from gpt_sovits.sovits.spectrogram import linear_spectrogram

TINY = SoVITSConfig(
    sample_rate=3200,
    n_fft=256,
    hop_length=64,
    n_mels=12,
    reference_bins=100,
    n_symbols=20,
    ssl_dim=6,
    codebook_size=9,
    latent_channels=8,
    hidden_channels=8,
    filter_channels=12,
    n_layers=2,
    mrte_channels=12,
    mrte_heads=2,
    style_channels=12,
    reference_hidden=8,
    posterior_layers=2,
    n_flows=2,
    flow_layers=2,
    upsample_rates=(8, 8),
    upsample_kernel_sizes=(16, 16),
    upsample_initial_channel=16,
    resblock_kernel_sizes=(3, 5),
    resblock_dilations=((1, 3), (1, 3)),
)

TINY_ISTFT = SoVITSConfig.from_dict(
    TINY.to_dict()
    | {
        "generator": "istft",
        "upsample_rates": (8,),
        "upsample_kernel_sizes": (16,),
        "trunk_dilations": ((1, 3), (2,)),
        "istft_n_fft": 32,
        "istft_hop": 8,
    }
)

TINY_HARMONICS = SoVITSConfig.from_dict(TINY_ISTFT.to_dict() | {"istft_harmonics": True})

TINY_DISCRIMINATOR = DiscriminatorConfig(
    periods=(2, 3), scale_channels=(2, 4, 4, 4, 4, 4), scale_groups=(1, 2, 2, 2, 2, 1), period_channels=(2, 4, 4)
)


def tiny_sovits(seed: int = 0, config: SoVITSConfig = TINY) -> SoVITS:
    """Build a tiny SoVITS in evaluation mode.

    New flows are the identity and a new istft generator is nearly silent, which would hide mistakes in them. So the
    flows are made random and the generator as loud as speech.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = SoVITS(config)
        for name, parameter in model.named_parameters():
            if ".post." in name:
                torch.nn.init.normal_(parameter, std=0.3)
        if config.generator == "istft":
            torch.nn.init.zeros_(model.dec.conv_post.bias)
    return model.eval()


def tiny_clip(n_frames: int, seed: int = 0) -> SoVITSClip:
    """Make a clip that hums with noise. Seeds that are equal modulo 5 have the same pitch."""
    g = torch.Generator().manual_seed(seed)
    time = torch.arange(n_frames * TINY.hop_length) / TINY.sample_rate
    waveform = 0.3 * torch.sin(2 * torch.pi * (150 + 20 * (seed % 5)) * time) + 0.05 * torch.randn(
        time.shape, generator=g
    )
    return SoVITSClip(
        clip_id=f"clip{seed}",
        phoneme_ids=torch.randint(0, TINY.n_symbols, (3 + n_frames // 8,), generator=g),
        ssl_features=torch.randn(TINY.ssl_dim, n_frames, generator=g),
        waveform=waveform,
        spectrogram=linear_spectrogram(waveform[None], TINY.n_fft, TINY.hop_length)[0],
    )

"""The base before any training: seeded weights in starter sizes, for tests of the pipeline and as a first state.

All weights are random except those of two parts, which would make the tokens meaningless:
- The content encoder's convolutions start as a bank of tuned filters in four phases and a random mix of their
  envelopes. Random filters would respond to the phase of the waveform, not to its sound.
- The codebook's centres are the k-means centres of the encoder's features of a minute of synthetic babble. Random
  centres would give a handful of tokens for all speech.
"""

from __future__ import annotations

from math import pi, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from gpt_sovits.content_encoder.encoder import CONTENT_SAMPLE_RATE, build_content_encoder, extract_ssl_features
from gpt_sovits.determinism import deterministic
from gpt_sovits.gpt.model import GPT, GPTConfig
from gpt_sovits.sovits.config import DiscriminatorConfig, SoVITSConfig
from gpt_sovits.sovits.discriminator import Discriminator
from gpt_sovits.sovits.model import SoVITS
from gpt_sovits.weights.base import Base

if TYPE_CHECKING:
    from transformers import HubertModel

# Two convolutions instead of HuBERT's seven: a window of 25 ms every 10 ms, then pairs of them. 2.0 M parameters.
SCRATCH_CONTENT_CONFIG: dict[str, Any] = {
    "hidden_size": 192,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 768,
    "conv_dim": [192, 192],
    "conv_kernel": [400, 2],
    "conv_stride": [160, 2],
    "feat_extract_norm": "layer",
    "conv_bias": True,
    "do_stable_layer_norm": False,
    "num_conv_pos_embeddings": 32,
    "num_conv_pos_embedding_groups": 16,
}

SCRATCH, SCRATCH_SEED = "scratch", 20250101
N_CODES = 256
BABBLE_SECONDS = 60
KMEANS_ROUNDS = 12

GPT_CONFIG = GPTConfig(vocab_size=N_CODES + 1, hidden_size=224, n_heads=7, n_layers=5)

SOVITS_CONFIG = SoVITSConfig(
    sample_rate=16000,
    n_fft=1024,
    hop_length=320,
    n_mels=80,
    reference_bins=513,
    ssl_dim=192,
    codebook_size=N_CODES,
    latent_channels=96,
    hidden_channels=96,
    filter_channels=384,
    n_layers=4,
    mrte_channels=128,
    style_channels=128,
    reference_hidden=96,
    posterior_layers=8,
    flow_layers=3,
    upsample_rates=(10, 8, 4),
    upsample_kernel_sizes=(20, 16, 8),
    upsample_initial_channel=128,
    resblock_kernel_sizes=(3, 7),
    resblock_dilations=((1, 3), (1, 3)),
)

DISCRIMINATOR_CONFIG = DiscriminatorConfig(
    scale_channels=(8, 16, 32, 64, 64, 64),
    scale_groups=(1, 4, 8, 16, 16, 1),
    period_channels=(8, 16, 32, 64, 64),
)


def tune_filters(encoder: HubertModel) -> None:
    """Set the two convolutions to band filters in four phases and to a random mix of the bands' envelopes.

    The rectified responses of a filter in phases 0, 90, 180 and 270 degrees add up to its envelope, almost
    independently of the phase of the sound. The mix is drawn from torch's global random state.
    """
    first, second = (layer.conv for layer in encoder.feature_extractor.conv_layers)
    n_bands, length = first.out_channels // 4, first.kernel_size[0]
    mel = torch.linspace(_mel(80.0), _mel(7400.0), n_bands)
    centres = 700 * (torch.exp(mel / 1127) - 1)  # Hz
    spacing = torch.gradient(centres)[0].clamp(min=60.0)
    time = (torch.arange(length) - (length - 1) / 2) / CONTENT_SAMPLE_RATE
    envelopes = torch.exp(-2 * (pi * time * spacing[:, None] / 2) ** 2)  # Gaussian, half a spacing wide in frequency
    phases = torch.arange(4) * pi / 2
    waves = torch.cos(2 * pi * centres[:, None, None] * time + phases[:, None]) * envelopes[:, None]
    waves = waves - waves.mean(dim=2, keepdim=True)
    waves = waves / waves.norm(dim=2, keepdim=True)
    mix = torch.randn(second.out_channels, n_bands) / sqrt(n_bands)
    with torch.no_grad():
        first.weight.copy_(waves.reshape(first.weight.shape))
        second.weight.copy_(mix.repeat_interleave(4, dim=1)[:, :, None] / second.kernel_size[0])
        for conv in (first, second):
            conv.bias.zero_()


def set_codebook(sovits: SoVITS, centres: Tensor) -> None:
    """Make tokens of untrained weights: project to the mean of a token's two frames, and take centres as codewords."""
    with torch.no_grad():
        averaging = torch.eye(sovits.config.ssl_dim)[:, :, None] / sovits.ssl_proj.kernel_size[0]
        sovits.ssl_proj.weight.copy_(averaging.expand_as(sovits.ssl_proj.weight))
        sovits.ssl_proj.bias.zero_()
    sovits.quantizer.set_centres(centres)


def spread_codebook(sovits: SoVITS, encoder: HubertModel, seed: int) -> None:
    """Set the codebook to the k-means centres of the encoder's features of babble."""
    chunks = torch.from_numpy(babble(BABBLE_SECONDS, seed)).split(10 * CONTENT_SAMPLE_RATE)
    pairs = [extract_ssl_features(encoder, chunk[None])[0].T.unflatten(0, (-1, 2)) for chunk in chunks]
    set_codebook(sovits, k_means(torch.cat(pairs).mean(dim=1), sovits.config.codebook_size, seed))


def k_means(points: Tensor, n_centres: int, seed: int) -> Tensor:
    """Cluster points by Lloyd's algorithm, from a random choice of points.

    Args:
        points: (n, dim).
        n_centres: The number of clusters.
        seed: Of the random choice.

    Returns:
        (n_centres, dim) centres.
    """
    start = torch.randperm(len(points), generator=torch.Generator().manual_seed(seed))[:n_centres]
    centres = points[start].clone()
    for _ in range(KMEANS_ROUNDS):
        nearest = torch.cdist(points, centres).argmin(dim=1)
        counts = torch.bincount(nearest, minlength=n_centres)
        sums = torch.zeros_like(centres).index_add_(0, nearest, points)
        used = counts > 0  # an empty centre stays where it is
        centres[used] = sums[used] / counts[used, None]
    return centres


def babble(seconds: float, seed: int) -> np.ndarray:
    """Return (n_samples,) float32 at 16 kHz: meaningless sounds of 40 to 160 ms that vary as those of speech do.

    Each sound is a buzz, a hiss or both through four random resonances, or a silence.
    """
    from scipy.signal import lfilter

    random = np.random.default_rng(seed)
    rate, n_total = CONTENT_SAMPLE_RATE, int(seconds * CONTENT_SAMPLE_RATE)
    pieces, n_made, pitch = [], 0, 140.0
    while n_made < n_total:
        n = int(rate * random.uniform(0.04, 0.16))
        kind = random.choice(["voiced", "unvoiced", "mixed", "silent"], p=[0.6, 0.2, 0.1, 0.1])
        pitch = float(np.clip(pitch * random.uniform(0.85, 1.18), 80, 260))
        phase = np.cumsum(np.full(n, pitch * random.uniform(0.95, 1.05) / rate))
        buzz = lfilter([1.0], [1.0, -0.9], np.diff(np.floor(phase), prepend=0.0)) * 3
        hiss = random.standard_normal(n) * 0.3
        source = {"voiced": buzz + 0.01 * hiss, "unvoiced": hiss, "mixed": buzz + hiss, "silent": 0.001 * hiss}[kind]
        top = 7000 if kind == "unvoiced" else 3600
        for low, high in ((220, 900), (800, 2600), (2000, top), (3000, max(top, 4500))):
            frequency, width = random.uniform(low, high), random.uniform(60, 300)
            radius = np.exp(-pi * width / rate)
            poles = [1.0, -2 * radius * np.cos(2 * pi * frequency / rate), radius**2]
            source = lfilter([sum(poles)], poles, source) + 0.3 * source
        fade = np.minimum(1.0, np.minimum(np.arange(n), np.arange(n)[::-1]) / (0.008 * rate))
        pieces.append(source * fade * 10 ** random.uniform(-1.0, 0.0))
        n_made += n
    waveform = np.concatenate(pieces)[:n_total] + 1e-4 * random.standard_normal(n_total)
    return (0.7 * waveform / np.abs(waveform).max()).astype(np.float32)


def _mel(hertz: float) -> float:
    return 1127 * float(np.log1p(hertz / 700))


def make_scratch(seed: int = SCRATCH_SEED) -> Base:
    """Return seeded weights in starter sizes: the same bits on one machine for any random state and thread count."""
    with deterministic(seed, n_threads=1):
        encoder = build_content_encoder(SCRATCH_CONTENT_CONFIG)
        tune_filters(encoder)
        sovits = SoVITS(SOVITS_CONFIG)
        spread_codebook(sovits, encoder, seed)
        discriminator = Discriminator(DISCRIMINATOR_CONFIG)
        gpt = GPT(GPT_CONFIG)
    return Base(
        SCRATCH,
        GPT_CONFIG,
        gpt.state_dict(),
        SOVITS_CONFIG,
        sovits.state_dict(),
        DISCRIMINATOR_CONFIG,
        discriminator.state_dict(),
        dict(SCRATCH_CONTENT_CONFIG),
        encoder.state_dict(),
    )

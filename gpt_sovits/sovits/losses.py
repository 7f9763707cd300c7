"""Losses of SoVITS: least-squares adversarial, feature matching, mel and KL.

Scores and feature maps are those of discriminator.py: one tensor a critic, or one a layer of it, batch first.
All return scalars (), of any range from 0 but for `kl_loss`, an estimate that may fall below 0.
Sources: HiFi-GAN (Kong et al. 2020) and VITS (Kim et al. 2021).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def discriminator_loss(real_scores: Sequence[Tensor], generated_scores: Sequence[Tensor]) -> Tensor:
    """Real should score 1 and generated 0; sum over the discriminators."""
    return torch.stack(
        [
            (1 - real).square().mean() + generated.square().mean()
            for real, generated in zip(real_scores, generated_scores, strict=True)
        ]
    ).sum()


def adversarial_loss(generated_scores: Sequence[Tensor]) -> Tensor:
    """Generated should score 1; sum over the discriminators."""
    return torch.stack([(1 - generated).square().mean() for generated in generated_scores]).sum()


def feature_matching_loss(
    real_features: Sequence[Sequence[Tensor]], generated_features: Sequence[Sequence[Tensor]]
) -> Tensor:
    """Twice the sum, over discriminators and layers, of the mean absolute difference. Real features get no gradient."""
    differences = [
        (real.detach() - generated).abs().mean()
        for reals, generateds in zip(real_features, generated_features, strict=True)
        for real, generated in zip(reals, generateds, strict=True)
    ]
    return 2 * torch.stack(differences).sum()


def mel_loss(real: Tensor, generated: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean absolute difference of log-mel spectrograms (B, n_mels, T); frames with 0 in mask (B, 1, T) do not count."""
    difference = (real - generated).abs()
    if mask is None:
        return difference.mean()
    return (difference * mask).sum() / (mask.sum() * real.shape[1])


def kl_loss(z_prior: Tensor, log_posterior: Tensor, mean_prior: Tensor, log_prior: Tensor, mask: Tensor) -> Tensor:
    """Divergence of the posterior from the prior, by the one sample that was drawn.

    z_prior: (B, C, T) the posterior's sample, through the flow; the log deviations and the mean: (B, C, T)
    mask: (B, 1, T)
    returns: nats a frame, summed over the channels (upstream's scale: it is not divided by C)
    """
    kl = log_prior - log_posterior - 0.5 + 0.5 * (z_prior - mean_prior).square() * torch.exp(-2 * log_prior)
    return (kl * mask).sum() / mask.sum()

"""Losses of SoVITS: least-squares adversarial, feature matching, mel and KL.

Scores and feature maps are those of discriminator.py: one tensor per critic, or one per layer of it, batch first.
Every loss is a scalar () of at least 0, except `kl_loss`, an estimate that may fall below 0.
Sources: HiFi-GAN (Kong et al. 2020) and VITS (Kim et al. 2021).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def discriminator_loss(real_scores: Sequence[Tensor], generated_scores: Sequence[Tensor]) -> Tensor:
    """Compute the loss of the critics, which should score real speech 1 and generated 0, summed over them."""
    return torch.stack(
        [
            (1 - real).square().mean() + generated.square().mean()
            for real, generated in zip(real_scores, generated_scores, strict=True)
        ]
    ).sum()


def adversarial_loss(generated_scores: Sequence[Tensor]) -> Tensor:
    """Compute the loss of the generator, whose speech should score 1, summed over the critics."""
    return torch.stack([(1 - generated).square().mean() for generated in generated_scores]).sum()


def feature_matching_loss(
    real_features: Sequence[Sequence[Tensor]], generated_features: Sequence[Sequence[Tensor]]
) -> Tensor:
    """Compute twice the sum, over critics and layers, of the mean absolute difference of the feature maps.

    Real features get no gradient.
    """
    differences = [
        (real.detach() - generated).abs().mean()
        for reals, generateds in zip(real_features, generated_features, strict=True)
        for real, generated in zip(reals, generateds, strict=True)
    ]
    return 2 * torch.stack(differences).sum()


def mel_loss(real: Tensor, generated: Tensor, mask: Tensor | None = None) -> Tensor:
    """Compute the mean absolute difference of log-mel spectrograms.

    Args:
        real: (B, n_mels, T)
        generated: (B, n_mels, T)
        mask: (B, 1, T). Frames with 0 do not count.
    """
    difference = (real - generated).abs()
    if mask is None:
        return difference.mean()
    return (difference * mask).sum() / (mask.sum() * real.shape[1])


def kl_loss(z_prior: Tensor, log_posterior: Tensor, mean_prior: Tensor, log_prior: Tensor, mask: Tensor) -> Tensor:
    """Estimate the divergence of the posterior from the prior by the one sample that was drawn.

    Args:
        z_prior: The posterior's sample, through the flow, (B, C, T).
        log_posterior: Log deviation of the posterior, (B, C, T).
        mean_prior: (B, C, T)
        log_prior: Log deviation of the prior, (B, C, T).
        mask: (B, 1, T), 0 = padding.

    Returns:
        Nats per frame, summed over the channels as upstream does, not divided by C.
    """
    kl = log_prior - log_posterior - 0.5 + 0.5 * (z_prior - mean_prior).square() * torch.exp(-2 * log_prior)
    return (kl * mask).sum() / mask.sum()

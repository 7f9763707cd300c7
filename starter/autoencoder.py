"""Stage autoencoder: the style encoder, the posterior encoder and the generator of SoVITS learn to repeat speech.

    python -m starter.autoencoder

No text is needed, so real speakers count as much as synthetic ones. The later stages find a latent that sounds.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gpt_sovits.determinism import derive_seed, deterministic
from gpt_sovits.sovits.model import SoVITS
from gpt_sovits.weights.checkpoint import save_checkpoint
from starter.settings import load_settings, stage_folder
from starter.sovits_data import SpeechCrops, sovits_config, spectral_loss, spectrogram
from starter.speech import held_out_sets, training_voices
from starter.training import Average, Losses, step_of, train

PARTS = ("ref_enc", "enc_q", "dec")


def autoencode(model: SoVITS, crops: Tensor, styles: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """The crops said again, (B, n), and the divergence of their latents from standard normal, nats a frame.

    crops: (B, n); styles: (B, n_style), other speech of the same voice; noise: (B, latent_channels, T)
    """
    c = model.config
    style = model.style_embedding(spectrogram(styles, c))
    z, mean, log_deviation = _encode(model, crops, style, noise)
    mean, log_deviation = mean.float(), log_deviation.float()  # half precision is too coarse for sums of many
    kl = 0.5 * (mean.square() + (2 * log_deviation).exp() - 1 - 2 * log_deviation).sum(dim=1).mean()
    return model.dec(z, style)[:, 0], kl


def _encode(model: SoVITS, crops: Tensor, style: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    spectrograms = model.prepare_spectrogram(spectrogram(crops, model.config))
    mask = torch.ones(len(crops), 1, spectrograms.shape[2])
    return model.enc_q(spectrograms, mask, style, noise)


@torch.no_grad()
def copy_losses(model: SoVITS, seconds: float = 2.4) -> Losses:
    """Spectral loss of held-out speech said again, by set; its own beginning is the style."""
    losses = {}
    n = round(seconds * 50) * model.config.hop_length
    for name, utterances in held_out_sets().items():
        rows = [one.waveform[:n].astype(np.float32) / 32768 for one in utterances if len(one.waveform) >= n]
        crops = torch.from_numpy(np.stack(rows))
        noise = torch.zeros(len(crops), model.config.latent_channels, n // model.config.hop_length)
        copied, kl = autoencode(model, crops, crops, noise)
        losses |= {f"spectral_{name}": float(spectral_loss(crops, copied)), f"kl_{name}": float(kl)}
    return losses


def main() -> None:
    settings = load_settings()
    own = settings.autoencoder
    config = sovits_config(settings)
    crops = SpeechCrops(training_voices(labelled=False), own.shares)
    n, n_style = (round(s * 50) * config.hop_length for s in (own.crop_seconds, own.style_seconds))

    def make_batch(step: int) -> tuple[Tensor, Tensor, Tensor]:
        seed = derive_seed("autoencoder", step)
        pair = crops.batch(np.random.default_rng(seed), own.batch_size, n, n_style, own.largest_stretch)
        shape = own.batch_size, config.latent_channels, n // config.hop_length
        return *pair, torch.randn(shape, generator=torch.Generator().manual_seed(seed))

    with deterministic(own.seed, own.n_threads):
        model = SoVITS(config)
        average = Average(model, own.average_decay)
        parameters = [p for part in PARTS for p in getattr(model, part).parameters()]
        optimizer = torch.optim.AdamW(parameters, lr=1.0, betas=(0.8, 0.99), weight_decay=own.weight_decay)
        model.train()

        def learn(batch: tuple[Tensor, Tensor, Tensor], step: int) -> Losses:
            with torch.autocast("cpu", torch.bfloat16, enabled=own.precision == "bf16"):
                copied, kl = autoencode(model, *batch)
            spectral = spectral_loss(batch[0], copied.float())
            norm = step_of(optimizer, own.spectral_weight * spectral + own.kl_weight * kl, own.gradient_clip_norm)
            average.follow(model, step)
            return {"spectral": spectral.item(), "kl": kl.item(), "norm": norm}

        train(
            "autoencoder",
            own,
            {"model": model, "average": average.module},
            {"adamw": optimizer},
            make_batch,
            learn,
            lambda _: copy_losses(average.module),
            stage_folder("autoencoder"),
            {"config": config.to_dict()},
        )
        save_checkpoint(stage_folder("autoencoder") / "sovits", "sovits", config.to_dict(), average.module.state_dict())


if __name__ == "__main__":
    main()

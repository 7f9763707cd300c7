"""Stage autoencoder: the style encoder, the posterior encoder and the generator of SoVITS learn to copy speech.

    python -m starter.autoencoder

It needs no text, so real speakers count as much as synthetic ones. The later stages build on its latent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gpt_sovits.determinism import derive_seed, deterministic
from gpt_sovits.sovits.generators.harmonics import Voice
from gpt_sovits.sovits.model import SoVITS
from gpt_sovits.sovits.pitch import pitch_loss, track_pitch
from starter.settings import AutoencoderSettings, load_settings, stage_folder
from starter.sovits_data import PARTS, SpeechCrops, sovits_config, spectral_loss, spectrogram
from starter.training import (
    Average,
    Losses,
    Task,
    autocast,
    clipped_step,
    hash_inputs,
    save_network,
    thread_pool,
    train,
)
from starter.voices import held_out_sets, training_voices


class Copies(NamedTuple):
    """Copies of speech, and what it costs to make them."""

    waveforms: Tensor  # (B, n_samples)
    kl: Tensor  # () divergence of the latents from standard normal, nats per frame
    pitch: Tensor  # () mean |difference| of the predicted pitch where there is one, semitones; 0 without harmonics


def autoencode(model: SoVITS, crops: Tensor, styles: Tensor, noise: Tensor, *, own_pitch: bool = False) -> Copies:
    """Copy speech through the posterior encoder and the generator.

    Args:
        model: The SoVITS.
        crops: (B, n_samples) speech to copy.
        styles: (B, n_style_samples) other speech of the same voice.
        noise: (B, latent_channels, n_frames) standard normal, or zeros for the mean of the latent.
        own_pitch: Speak at the predicted pitch, not at that of the speech.
    """
    c = model.config
    style = model.style_embedding(spectrogram(styles, c))
    z, mean, log_deviation = _encode(model, crops, style, noise)
    mean, log_deviation = mean.float(), log_deviation.float()  # half precision is too coarse for sums of many
    kl = 0.5 * (mean.square() + (2 * log_deviation).exp() - 1 - 2 * log_deviation).sum(dim=1).mean()
    if not c.istft_harmonics:
        return Copies(model.dec(z, style)[:, 0], kl, kl.new_zeros(()))
    semitones, voiced = track_pitch(crops, c.sample_rate)
    predicted = model.dec.predict_pitch(z, style)
    waveforms = model.dec(z, style, voice=Voice(predicted if own_pitch else semitones))[:, 0]
    return Copies(waveforms, kl, pitch_loss(predicted, semitones, voiced))


def _encode(model: SoVITS, crops: Tensor, style: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    spectrograms = model.prepare_spectrogram(spectrogram(crops, model.config))
    mask = torch.ones(len(crops), 1, spectrograms.shape[2])
    return model.enc_q(spectrograms, mask, style, noise)


@torch.no_grad()
def copy_losses(model: SoVITS, seconds: float = 2.4) -> Losses:
    """Return the spectral loss and the divergence of copies of held-out speech, which gives its own style."""
    losses = {}
    n = round(seconds * 50) * model.config.hop_length
    for name, utterances in held_out_sets().items():
        rows = [one.waveform[:n].astype(np.float32) / 32768 for one in utterances if len(one.waveform) >= n]
        crops = torch.from_numpy(np.stack(rows))
        noise = torch.zeros(len(crops), model.config.latent_channels, n // model.config.hop_length)
        copied = autoencode(model, crops, crops, noise, own_pitch=True)
        losses |= {f"spectral_{name}": float(spectral_loss(crops, copied.waveforms)), f"kl_{name}": float(copied.kl)}
        if model.config.istft_harmonics:
            losses[f"pitch_{name}"] = float(copied.pitch)
    return losses


class AutoencoderTrainer:
    """A SoVITS of which style encoder, posterior encoder and generator learn, its optimiser, and the average."""

    def __init__(self, model: SoVITS, settings: AutoencoderSettings) -> None:
        self.model, self.settings = model.eval(), settings  # without dropout, see thread_pool
        self.average = Average(model, settings.average_decay)
        parameters = [p for part in PARTS for p in getattr(model, part).parameters()]
        self.optimizer = torch.optim.AdamW(parameters, lr=1.0, betas=(0.8, 0.99), weight_decay=settings.weight_decay)
        self.threads = thread_pool(settings.n_threads)

    def learn(self, parts: Sequence[tuple[Tensor, Tensor, Tensor]], step: int) -> Losses:
        """Make one step of the optimiser. Each part of the batch, as autoencode takes it, is a thread's work."""
        share = 1 / len(parts)
        self.optimizer.zero_grad(set_to_none=True)
        losses = list(self.threads.map(lambda part: self._add_gradient(part, share), parts))
        norm = clipped_step(self.optimizer, self.settings.gradient_clip_norm)
        self.average.update(self.model, step)
        return {name: share * sum(part[name] for part in losses) for name in losses[0]} | {"norm": norm}

    def _add_gradient(self, part: tuple[Tensor, Tensor, Tensor], share: float) -> Losses:
        with autocast(self.settings.precision):
            copied = autoencode(self.model, *part)
        losses = {"spectral": spectral_loss(part[0], copied.waveforms.float()), "kl": copied.kl, "pitch": copied.pitch}
        (share * sum(getattr(self.settings, f"{name}_weight") * loss for name, loss in losses.items())).backward()
        return {name: loss.item() for name, loss in losses.items()}


def main() -> None:
    """Train the autoencoder and save its average."""
    all_settings = load_settings()
    settings, config = all_settings.autoencoder, sovits_config(all_settings)
    voices = training_voices()
    crops = SpeechCrops(voices, all_settings.shares)
    n, n_style = (round(s * 50) * config.hop_length for s in (settings.crop_seconds, settings.style_seconds))

    def make_batch(step: int) -> list[tuple[Tensor, Tensor, Tensor]]:
        seed = derive_seed("autoencoder", step)
        pair = crops.batch(np.random.default_rng(seed), settings.batch_size, n, n_style, settings.largest_stretch)
        shape = settings.batch_size, config.latent_channels, n // config.hop_length
        batch = *pair, torch.randn(shape, generator=torch.Generator().manual_seed(seed))
        return [tuple(tensor[part :: settings.n_threads] for tensor in batch) for part in range(settings.n_threads)]

    with deterministic(settings.seed, n_threads=1):  # each of the trainer's threads computes alone
        model = SoVITS(config)
        trainer = AutoencoderTrainer(model, settings)
        average, folder = trainer.average.module, stage_folder("autoencoder")
        task = Task(
            name="autoencoder",
            settings=settings,
            modules={"model": model, "average": average},
            optimizers={"adamw": trainer.optimizer},
            make_batch=make_batch,
            learn=trainer.learn,
            evaluate=lambda _: copy_losses(average),
            folder=folder,
            inputs=hash_inputs(*(stage_folder("corpus") / name / "samples.i16" for name in voices))
            | {"config": config.to_dict(), "shares": all_settings.shares},
        )
        train(task)
        save_network(folder / "sovits", "sovits", config.to_dict(), average.state_dict())


if __name__ == "__main__":
    main()

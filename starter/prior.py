"""Stage prior: the text encoder and the flow of SoVITS learn to predict the latent of the frozen autoencoder.

    python -m starter.prior

They read tokens, text and style. Beside the divergence of VITS, a loss states the goal of the inverse pass directly:
the latent of the true speech. The latents were computed before (stage latents), so a step needs no sound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from gpt_sovits.determinism import derive_seed, deterministic
from gpt_sovits.sovits.layers.masks import length_mask
from gpt_sovits.sovits.losses import kl_loss, mel_loss
from gpt_sovits.sovits.model import SoVITS
from starter.clips import Clip, ClipRounds, Texts, held_out_clips
from starter.latents import Latents, load_sovits, read_latents
from starter.scratch import set_codebook
from starter.settings import PriorSettings, Settings, load_settings, stage_folder
from starter.sovits_data import PARTS, sovits_config
from starter.tokens import read_centres, read_tokens
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
from starter.voices import held_out_names

N_HELD_OUT = 96  # utterances


class PriorBatch(NamedTuple):
    """B clips, padded on the right to T frames."""

    texts: Texts
    mean: Tensor  # (B, latent_channels, T) of the posterior
    log_deviation: Tensor  # (B, latent_channels, T)
    noise: Tensor  # (B, latent_channels, T) standard normal
    style: Tensor  # (B, style_channels, 1)


def collate(clips: Sequence[Clip], latents: Latents, seed: int) -> PriorBatch:
    """Return clips as a batch, each with one of the styles of its utterance."""
    random = np.random.default_rng(seed)
    texts = Texts(clips)
    shape = len(clips), latents.mean.shape[1], texts.n_frames
    mean, log_deviation = torch.zeros(shape), torch.zeros(shape)
    for row, clip in enumerate(clips):
        part = latents.posterior(clip.number, clip.first_frame, clip.n_frames)
        mean[row, :, : clip.n_frames], log_deviation[row, :, : clip.n_frames] = part
    chosen = random.integers(latents.styles.shape[1], size=len(clips))
    style = torch.from_numpy(latents.styles[[clip.number for clip in clips], chosen])[:, :, None]
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return PriorBatch(texts, mean, log_deviation, noise, style)


def prior_losses(model: SoVITS, batch: PriorBatch) -> tuple[Tensor, Tensor]:
    """Predict the latents of a batch from tokens, text and style.

    Returns:
        The divergence in nats per frame, (), and the mean |difference| of the predicted latent, ().
    """
    texts = batch.texts
    mask = length_mask(texts.lengths, texts.n_frames)
    _, mean_p, log_p, _ = model.enc_p(
        model.codewords(texts.tokens), texts.lengths, texts.phoneme_ids, texts.phoneme_lengths, batch.style
    )
    z = (batch.mean + batch.noise * batch.log_deviation.exp()) * mask
    z_prior = model.flow(z, mask, batch.style)
    kl = kl_loss(*(latent.float() for latent in (z_prior, batch.log_deviation, mean_p, log_p)), mask)
    guess = model.flow(mean_p * mask, mask, batch.style, reverse=True)
    return kl, mel_loss(batch.mean, guess.float(), mask)


@torch.no_grad()
def held_out_losses(model: SoVITS, batches: Sequence[PriorBatch]) -> Losses:
    """Return the mean losses over batches of held-out speech."""
    losses = torch.stack([torch.stack(prior_losses(model, batch)) for batch in batches]).mean(dim=0)
    return {"held_out_kl": float(losses[0]), "held_out_latent": float(losses[1])}


class PriorData:
    """The batches of every step, and those that are never trained on."""

    def __init__(self, settings: Settings) -> None:
        self.n_threads = settings.prior.n_threads
        self.batch_size, self.latents, rows = settings.prior.batch_size, read_latents(), read_tokens()
        longest, held_out = settings.prior.longest_seconds, held_out_names()
        self.rounds = ClipRounds(rows, held_out, settings.shares, longest_seconds=longest, name="prior")
        tests = held_out_clips(rows, held_out, longest, N_HELD_OUT)
        parts = [tests[i : i + self.batch_size] for i in range(0, len(tests), self.batch_size)]
        self.tests = [collate(part, self.latents, seed) for seed, part in enumerate(parts)]

    def batch(self, step: int) -> list[PriorBatch]:
        """Return the batch of a step in as many parts of similar lengths as there are threads."""
        clips, n = self.rounds.clips(step, self.batch_size), self.n_threads
        return [collate(clips[part::n], self.latents, derive_seed("prior", step, part)) for part in range(n)]


class PriorTrainer:
    """A SoVITS of which only text encoder and flow learn, its optimiser, and the average of its weights."""

    def __init__(self, model: SoVITS, settings: PriorSettings) -> None:
        self.model, self.settings = model.requires_grad_(False).eval(), settings
        learning = [p.requires_grad_(True) for part in (model.enc_p, model.flow) for p in part.parameters()]
        self.threads = thread_pool(settings.n_threads)
        self.average = Average(model, settings.average_decay)
        self.optimizer = torch.optim.AdamW(learning, lr=1.0, betas=(0.8, 0.99), weight_decay=settings.weight_decay)

    def learn(self, parts: Sequence[PriorBatch], step: int) -> Losses:
        """Make one step of the optimiser. Each part of the batch is a thread's work."""
        share = 1 / len(parts)
        self.optimizer.zero_grad(set_to_none=True)
        losses = list(self.threads.map(lambda part: self._add_gradient(part, share), parts))
        norm = clipped_step(self.optimizer, self.settings.gradient_clip_norm)
        self.average.update(self.model, step)
        return {name: share * sum(part[name] for part in losses) for name in losses[0]} | {"norm": norm}

    def _add_gradient(self, batch: PriorBatch, share: float) -> Losses:
        with autocast(self.settings.precision):
            kl, latent = prior_losses(self.model, batch)
        (share * (self.settings.kl_weight * kl + self.settings.latent_weight * latent)).backward()
        return {"kl": kl.item(), "latent": latent.item()}

    def run(self, name: str, data: PriorData, folder: Path, inputs: Mapping[str, Any]) -> None:
        """Train. `average` holds the result. See Task for the arguments."""
        average = self.average.module
        task = Task(
            name=name,
            settings=self.settings,
            modules={"model": self.model, "average": average},
            optimizers={"adamw": self.optimizer},
            make_batch=data.batch,
            learn=self.learn,
            evaluate=lambda _: held_out_losses(average, data.tests),
            folder=folder,
            inputs=inputs,
        )
        train(task)


def inputs_of_prior(settings: Settings) -> dict[str, Any]:
    """Return the identity of what the stage reads, see Task."""
    tokens = stage_folder("tokens")
    latents = stage_folder("latents") / "latents.safetensors"
    files = stage_folder("autoencoder") / "sovits", latents, tokens / "codebook.safetensors", tokens / "tokens.jsonl"
    return hash_inputs(*files) | {"shares": settings.shares}


def main() -> None:
    """Train the text encoder and the flow, and save the average of the model."""
    all_settings, folder = load_settings(), stage_folder("prior")
    settings = all_settings.prior
    with deterministic(settings.seed, n_threads=1):  # each of the trainer's threads computes alone
        model = SoVITS(sovits_config(all_settings))
        trained = load_sovits(stage_folder("autoencoder"), "autoencoder")  # before tokens, so of any codebook
        for part in PARTS:
            getattr(model, part).load_state_dict(getattr(trained, part).state_dict())
        set_codebook(model, read_centres())
        data, trainer = PriorData(all_settings), PriorTrainer(model, settings)
        average, config = trainer.average.module, model.config.to_dict()
        trainer.run("prior", data, folder, inputs_of_prior(all_settings))
        save_network(folder / "sovits", "sovits", config, average.state_dict())


if __name__ == "__main__":
    main()

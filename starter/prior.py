"""Stage prior: the text encoder and the flow of SoVITS learn to predict the latent of the frozen autoencoder.

    python -m starter.prior

They read tokens, text and style. Beside the divergence of VITS, two losses state the goal of the inverse pass directly:
the latent of the true speech, and its sound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from gpt_sovits.adaptation.batches import length_buckets
from gpt_sovits.determinism import derive_seed, deterministic
from gpt_sovits.sovits.layers.masks import length_mask
from gpt_sovits.sovits.losses import kl_loss
from gpt_sovits.sovits.model import SoVITS, SoVITSConfig, take_segments
from gpt_sovits.weights.checkpoint import load_checkpoint, load_weights, save_checkpoint
from starter.scratch import set_codebook
from starter.settings import PriorSettings, load_settings, stage_folder
from starter.sovits_data import spectral_loss, spectrogram
from starter.speech import base_voices
from starter.store import SAMPLE_RATE, Utterance, read_corpus
from starter.tokens import change_speed, read_centres, read_tokens
from starter.training import Average, Losses, Task, optimizer_step, train

BUCKET_FRAMES = 60


@dataclass(frozen=True)
class TokenizedUtterance:
    """An utterance with its phonemes and tokens, which belong to it played `ratio` times as fast."""

    utterance: Utterance
    ratio: float
    phoneme_ids: Tensor  # (X,)
    tokens: Tensor  # (Y,)

    @property
    def n_frames(self) -> int:
        """Number of spectrogram frames, two per token."""
        return 2 * len(self.tokens)


class PriorBatch(NamedTuple):
    """B utterances, padded on the right to T frames, T a multiple of 32."""

    waveforms: Tensor  # (B, T * hop) float32, zero beyond the lengths
    lengths: Tensor  # (B,) frames, even
    phoneme_ids: Tensor  # (B, X)
    phoneme_lengths: Tensor  # (B,)
    tokens: Tensor  # (B, T / 2)
    styles: Tensor  # (B, n_style) float32
    noise: Tensor  # (B, latent_channels, T)
    starts: Tensor  # (B,) first frames of the crops that become sound


def load_tokenized_utterances(
    rows: Sequence[Mapping], longest_seconds: float, *, is_held_out: bool
) -> list[TokenizedUtterance]:
    """Return the utterances of the base voices with their tokens.

    Args:
        rows: The rows of tokens.jsonl.
        longest_seconds: Longer utterances are left out.
        is_held_out: Return the held-out utterances instead of those to train on.
    """
    n_common = load_settings().corpus.n_common
    known = {}
    for voice in base_voices():
        utterances = read_corpus(stage_folder("corpus") / voice)
        known |= {one.name: one for one in (utterances[-n_common:] if is_held_out else utterances[:-n_common])}
    return [
        TokenizedUtterance(
            known[row["name"]], row["ratio"], torch.tensor(row["phoneme_ids"]), torch.tensor(row["tokens"])
        )
        for row in rows
        if row["name"] in known and len(row["tokens"]) / 25 <= longest_seconds
    ]


def collate(
    utterances: Sequence[TokenizedUtterance], config: SoVITSConfig, settings: PriorSettings, *, seed: int
) -> PriorBatch:
    """Return a batch with random levels, style crops, noise and crop starts.

    Args:
        utterances: The rows of the batch.
        config: The sizes of the model.
        settings: The lengths of the crops.
        seed: Of all random choices.
    """
    random = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(seed)
    hop = config.hop_length
    lengths = torch.tensor([one.n_frames for one in utterances])
    n_crop, n_style = (round(s * SAMPLE_RATE / hop) for s in (settings.crop_seconds, settings.style_seconds))
    n = max(int(lengths.max()), n_crop)
    n += -n % 32  # fewer distinct shapes, because the library plans each new one
    waveforms, styles = torch.zeros(len(utterances), n * hop), torch.zeros(len(utterances), n_style * hop)
    for row, one in enumerate(utterances):
        samples = torch.from_numpy(change_speed(one.utterance, one.ratio).waveform.astype(np.float32) / 32768)
        samples = samples[: one.n_frames * hop] * 10 ** (random.uniform(-4, 4) / 20)
        waveforms[row, : len(samples)] = samples
        start = int(random.integers(0, max(1, len(samples) - n_style * hop)))
        piece = samples[start : start + n_style * hop]
        styles[row] = piece.repeat(n_style * hop // len(piece) + 1)[: n_style * hop]
    return PriorBatch(
        waveforms.clamp(-1, 1),
        lengths,
        pad_sequence([one.phoneme_ids for one in utterances], batch_first=True),
        torch.tensor([len(one.phoneme_ids) for one in utterances]),
        torch.stack([torch.nn.functional.pad(one.tokens, (0, n // 2 - len(one.tokens))) for one in utterances]),
        styles.clamp(-1, 1),
        torch.randn(len(utterances), config.latent_channels, n, generator=generator),
        torch.tensor([int(random.integers(0, max(1, int(length) - n_crop + 1))) for length in lengths]),
    )


class PriorBatches:
    """Batches of utterances of similar length. The batch of a step is always the same, each round has a new order."""

    def __init__(
        self, clips: Sequence[TokenizedUtterance], config: SoVITSConfig, settings: PriorSettings, name: str
    ) -> None:
        self.clips, self.config, self.settings, self.name = clips, config, settings, name
        self.n_per_round = len(self._round(0))
        self.n_crop = round(settings.crop_seconds * SAMPLE_RATE / config.hop_length)

    def _round(self, number: int) -> list[list[int]]:
        lengths = [one.n_frames for one in self.clips]
        return length_buckets(lengths, self.settings.batch_size, self.settings.seed, number, BUCKET_FRAMES)

    def batch(self, step: int) -> PriorBatch:
        """Return the batch of a step."""
        number, index = divmod(step, self.n_per_round)
        clips = [self.clips[i] for i in self._round(number)[index]]
        return collate(clips, self.config, self.settings, seed=derive_seed(self.name, step))


class PriorOutput(NamedTuple):
    """The losses and sounds of a batch spoken from its tokens and text."""

    kl: Tensor  # ()
    latent: Tensor  # () mean |difference| from the latent of the speech
    sound: Tensor  # (B, crop samples) through the prior
    real: Tensor  # (B, crop samples) of the speech
    style: Tensor  # (B, style_channels, 1)
    z: Tensor  # (B, latent_channels, T) latent of the speech


def run_prior(model: SoVITS, batch: PriorBatch, settings: PriorSettings) -> PriorOutput:
    """Predict the latents of a batch from tokens, text and style, and decode a crop of each."""
    c = model.config
    n_crop = round(settings.crop_seconds * SAMPLE_RATE / c.hop_length)
    mask = length_mask(batch.lengths, batch.noise.shape[2])
    style = model.style_embedding(spectrogram(batch.styles, c))
    _, mean_p, log_p, _ = model.enc_p(
        model.codewords(batch.tokens), batch.lengths, batch.phoneme_ids, batch.phoneme_lengths, style
    )
    z, mean_q, log_q = model.enc_q(model.seen(spectrogram(batch.waveforms, c)), mask, style, batch.noise)
    latents = model.flow(z, mask, style), log_q, mean_p, log_p
    kl = kl_loss(*(latent.float() for latent in latents), mask)
    # not the posterior's own noise, which would reveal the latent of the speech to the flow
    noise = batch.noise.flip(0, 1) * settings.noise_scale
    guess = model.flow((mean_p + noise * log_p.exp()) * mask, mask, style, reverse=True)
    latent = ((guess.float() - mean_q.float()).abs() * mask).sum() / (mask.sum() * c.latent_channels)
    sound = model.dec(take_segments(guess, batch.starts, n_crop), style)[:, 0].float()
    real = take_segments(batch.waveforms[:, None], batch.starts * c.hop_length, n_crop * c.hop_length)[:, 0]
    return PriorOutput(kl, latent, sound, real, style, z)


@torch.no_grad()
def held_out_losses(model: SoVITS, batches: Sequence[PriorBatch], settings: PriorSettings) -> Losses:
    """Return the mean losses over batches of held-out speech."""
    sums = {"held_out_kl": 0.0, "held_out_latent": 0.0, "held_out_spectral": 0.0}
    for batch in batches:
        output = run_prior(model, batch, settings)
        sums["held_out_kl"] += output.kl.item() / len(batches)
        sums["held_out_latent"] += output.latent.item() / len(batches)
        sums["held_out_spectral"] += spectral_loss(output.real, output.sound).item() / len(batches)
    return sums


def load_sovits(folder: Path, name: str) -> SoVITS:
    """Load the SoVITS that a stage saved in its folder. Errors mention `name`."""
    config, state = load_checkpoint(folder / "sovits", "sovits")
    model = SoVITS(SoVITSConfig.from_dict(config))
    load_weights(model, state, name)
    return model


def load_batches(config: SoVITSConfig, settings: PriorSettings, name: str) -> tuple[PriorBatches, list[PriorBatch]]:
    """Return the batches to train on, and at most six batches of held-out speech. Their seeds follow from `name`."""
    rows = read_tokens()
    training = load_tokenized_utterances(rows, settings.longest_seconds, is_held_out=False)
    held_out = load_tokenized_utterances(rows, settings.longest_seconds, is_held_out=True)
    tests = PriorBatches(held_out, config, settings, f"{name}, held out")
    return PriorBatches(training, config, settings, name), [tests.batch(i) for i in range(min(6, tests.n_per_round))]


def main() -> None:
    """Train the text encoder and the flow, and save the average of the model."""
    settings, folder = load_settings().prior, stage_folder("prior")
    with deterministic(settings.seed, settings.n_threads):
        model = load_sovits(stage_folder("autoencoder"), "autoencoder")
        set_codebook(model, read_centres())
        batches, test_batches = load_batches(model.config, settings, "prior")
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        learning = [p.requires_grad_(True) for part in (model.enc_p, model.flow) for p in part.parameters()]
        average = Average(model, settings.average_decay)
        optimizer = torch.optim.AdamW(learning, lr=1.0, betas=(0.8, 0.99), weight_decay=settings.weight_decay)
        model.eval()  # without dropout in the frozen parts
        model.enc_p.train()

        def learn(batch: PriorBatch, step: int) -> Losses:
            with torch.autocast("cpu", torch.bfloat16, enabled=settings.precision == "bf16"):
                output = run_prior(model, batch, settings)
            spectral = spectral_loss(output.real, output.sound)
            loss = settings.kl_weight * output.kl + settings.latent_weight * output.latent
            loss = loss + settings.spectral_weight * spectral
            norm = optimizer_step(optimizer, loss, settings.gradient_clip_norm)
            average.update(model, step)
            losses = {"kl": output.kl, "latent": output.latent, "spectral": spectral}
            return {key: value.item() for key, value in losses.items()} | {"norm": norm}

        task = Task(
            name="prior",
            settings=settings,
            modules={"model": model, "average": average.module},
            optimizers={"adamw": optimizer},
            make_batch=batches.batch,
            learn=learn,
            evaluate=lambda _: held_out_losses(average.module, test_batches, settings),
            folder=folder,
            inputs={"config": model.config.to_dict()},
        )
        train(task)
        save_checkpoint(folder / "sovits", "sovits", model.config.to_dict(), average.module.state_dict())


if __name__ == "__main__":
    main()

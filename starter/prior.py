"""Stage prior: from tokens, text and style to the latent of the autoencoder, which stays as it is.

    python -m starter.prior

Learns enc_p and flow. Beside the divergence of VITS two losses say directly what the inverse way must reach: the
latent of the true speech, and its sound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from starter.tokens import played, read_centres, read_tokens
from starter.training import Average, Losses, step_of, train

BUCKET_FRAMES = 60


@dataclass(frozen=True)
class Spoken:
    """An utterance with its tokens."""

    utterance: Utterance
    ratio: float
    phoneme_ids: Tensor  # (X,)
    tokens: Tensor  # (Y,)

    @property
    def n_frames(self) -> int:
        return 2 * len(self.tokens)


class SpokenBatch(NamedTuple):
    waveforms: Tensor  # (B, T * hop) float32, zero beyond the lengths
    lengths: Tensor  # (B,) frames, even
    phoneme_ids: Tensor  # (B, X)
    phoneme_lengths: Tensor  # (B,)
    tokens: Tensor  # (B, T / 2)
    styles: Tensor  # (B, n_style) float32
    noise: Tensor  # (B, latent_channels, T)
    starts: Tensor  # (B,) first frames of the crops that become sound


def spoken(rows: Sequence[Mapping], longest_seconds: float, is_held_out: bool) -> list[Spoken]:
    """The utterances of the base voices with their tokens, without those that are too long; or the held-out ones."""
    n_common = load_settings().corpus.n_common
    known = {}
    for voice in base_voices():
        utterances = read_corpus(stage_folder("corpus") / voice)
        known |= {one.name: one for one in (utterances[-n_common:] if is_held_out else utterances[:-n_common])}
    return [
        Spoken(known[row["name"]], row["ratio"], torch.tensor(row["phoneme_ids"]), torch.tensor(row["tokens"]))
        for row in rows
        if row["name"] in known and len(row["tokens"]) / 25 <= longest_seconds
    ]


def collate(chosen: Sequence[Spoken], config: SoVITSConfig, settings: PriorSettings, seed: int) -> SpokenBatch:
    random = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(seed)
    hop = config.hop_length
    lengths = torch.tensor([one.n_frames for one in chosen])
    n_crop, n_style = (round(s * SAMPLE_RATE / hop) for s in (settings.crop_seconds, settings.style_seconds))
    n = max(int(lengths.max()), n_crop)
    n += -n % 32  # few different shapes: each new one costs the library a plan
    waveforms, styles = torch.zeros(len(chosen), n * hop), torch.zeros(len(chosen), n_style * hop)
    for row, one in enumerate(chosen):
        samples = torch.from_numpy(played(one.utterance, one.ratio).waveform.astype(np.float32) / 32768)
        samples = samples[: one.n_frames * hop] * 10 ** (random.uniform(-4, 4) / 20)
        waveforms[row, : len(samples)] = samples
        start = int(random.integers(0, max(1, len(samples) - n_style * hop)))
        piece = samples[start : start + n_style * hop]
        styles[row] = piece.repeat(n_style * hop // len(piece) + 1)[: n_style * hop]
    return SpokenBatch(
        waveforms.clamp(-1, 1),
        lengths,
        pad_sequence([one.phoneme_ids for one in chosen], batch_first=True),
        torch.tensor([len(one.phoneme_ids) for one in chosen]),
        torch.stack([torch.nn.functional.pad(one.tokens, (0, n // 2 - len(one.tokens))) for one in chosen]),
        styles.clamp(-1, 1),
        torch.randn(len(chosen), config.latent_channels, n, generator=generator),
        torch.tensor([int(random.integers(0, max(1, int(length) - n_crop + 1))) for length in lengths]),
    )


class Draws:
    """Batch of a step: utterances of like length, in an order that is new each time all were used."""

    def __init__(self, clips: Sequence[Spoken], config: SoVITSConfig, settings: PriorSettings, name: str) -> None:
        self.clips, self.config, self.settings, self.name = clips, config, settings, name
        self.n_a_round = len(self._round(0))
        self.n_crop = round(settings.crop_seconds * SAMPLE_RATE / config.hop_length)

    def _round(self, number: int) -> list[list[int]]:
        lengths = [one.n_frames for one in self.clips]
        return length_buckets(lengths, self.settings.batch_size, self.settings.seed, number, BUCKET_FRAMES)

    def batch(self, step: int) -> SpokenBatch:
        number, place = divmod(step, self.n_a_round)
        chosen = [self.clips[i] for i in self._round(number)[place]]
        return collate(chosen, self.config, self.settings, derive_seed(self.name, step))


class Said(NamedTuple):
    """What tokens and text make of a batch. Latents (B, latent_channels, T); sounds (B, crop samples)"""

    kl: Tensor
    latent: Tensor  # mean |difference|
    sound: Tensor  # through the prior
    real: Tensor
    style: Tensor
    z: Tensor  # of the speech


def say(model: SoVITS, batch: SpokenBatch, settings: PriorSettings) -> Said:
    c = model.config
    n_crop = round(settings.crop_seconds * SAMPLE_RATE / c.hop_length)
    mask = length_mask(batch.lengths, batch.noise.shape[2])
    style = model.style_embedding(spectrogram(batch.styles, c))
    _, mean_p, log_p, _ = model.enc_p(
        model.codewords(batch.tokens), batch.lengths, batch.phoneme_ids, batch.phoneme_lengths, style
    )
    z, mean_q, log_q = model.enc_q(model.prepare_spectrogram(spectrogram(batch.waveforms, c)), mask, style, batch.noise)
    latents = model.flow(z, mask, style), log_q, mean_p, log_p
    kl = kl_loss(*(latent.float() for latent in latents), mask)
    # other noise than the posterior's, which would tell the flow where the speech is
    noise = batch.noise.flip(0, 1) * settings.noise_scale
    guess = model.flow((mean_p + noise * log_p.exp()) * mask, mask, style, reverse=True)
    latent = ((guess.float() - mean_q.float()).abs() * mask).sum() / (mask.sum() * c.latent_channels)
    sound = model.dec(take_segments(guess, batch.starts, n_crop), style)[:, 0].float()
    real = take_segments(batch.waveforms[:, None], batch.starts * c.hop_length, n_crop * c.hop_length)[:, 0]
    return Said(kl, latent, sound, real, style, z)


@torch.no_grad()
def held_out_losses(model: SoVITS, batches: Sequence[SpokenBatch], settings: PriorSettings) -> Losses:
    sums = {"held_out_kl": 0.0, "held_out_latent": 0.0, "held_out_spectral": 0.0}
    for batch in batches:
        said = say(model, batch, settings)
        sums["held_out_kl"] += said.kl.item() / len(batches)
        sums["held_out_latent"] += said.latent.item() / len(batches)
        sums["held_out_spectral"] += spectral_loss(said.real, said.sound).item() / len(batches)
    return sums


def load_sovits(folder, name: str) -> SoVITS:
    config, state = load_checkpoint(folder / "sovits", "sovits")
    model = SoVITS(SoVITSConfig.from_dict(config))
    load_weights(model, state, name)
    return model


def main() -> None:
    own = load_settings().prior
    with deterministic(own.seed, own.n_threads):
        model = load_sovits(stage_folder("autoencoder"), "autoencoder")
        set_codebook(model, read_centres())
        config = model.config
        rows = read_tokens()
        draws = Draws(spoken(rows, own.longest_seconds, is_held_out=False), config, own, "prior")
        tests = Draws(spoken(rows, own.longest_seconds, is_held_out=True), config, own, "prior, held out")
        test_batches = [tests.batch(i) for i in range(min(6, tests.n_a_round))]
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        learning = [p.requires_grad_(True) for part in (model.enc_p, model.flow) for p in part.parameters()]
        average = Average(model, own.average_decay)
        optimizer = torch.optim.AdamW(learning, lr=1.0, betas=(0.8, 0.99), weight_decay=own.weight_decay)
        model.eval()  # the frozen parts must not drop anything
        model.enc_p.train()

        def learn(batch: SpokenBatch, step: int) -> Losses:
            with torch.autocast("cpu", torch.bfloat16, enabled=own.precision == "bf16"):
                said = say(model, batch, own)
            spectral = spectral_loss(said.real, said.sound)
            loss = own.kl_weight * said.kl + own.latent_weight * said.latent + own.spectral_weight * spectral
            norm = step_of(optimizer, loss, own.gradient_clip_norm)
            average.follow(model, step)
            return {"kl": said.kl.item(), "latent": said.latent.item(), "spectral": spectral.item(), "norm": norm}

        train(
            "prior",
            own,
            {"model": model, "average": average.module},
            {"adamw": optimizer},
            draws.batch,
            learn,
            lambda _: held_out_losses(average.module, test_batches, own),
            stage_folder("prior"),
            {"config": config.to_dict()},
        )
        save_checkpoint(stage_folder("prior") / "sovits", "sovits", config.to_dict(), average.module.state_dict())


if __name__ == "__main__":
    main()

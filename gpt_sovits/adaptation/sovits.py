"""Few-shot fine-tuning of SoVITS on one speaker's clips.

Adversarial training as upstream does it (the discriminator steps first, then the generator), the quantiser frozen, a
loss on fixed crops of held-out clips after every epoch, and a state after every epoch from which an interrupted run
continues to bit-identical weights (on a CPU with the same thread count).
"""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from gpt_sovits.adaptation.sovits_batch import SoVITSBatch, SoVITSClip, check_clip, collate, draw_noise
from gpt_sovits.adaptation.training import (
    fingerprint,
    length_buckets,
    load_training_state,
    require_finite,
    save_training_state,
)
from gpt_sovits.determinism import derive_seed, deterministic
from gpt_sovits.sovits.config import DiscriminatorConfig, SoVITSConfig
from gpt_sovits.sovits.discriminator import Discriminator
from gpt_sovits.sovits.losses import adversarial_loss, discriminator_loss, feature_matching_loss, kl_loss, mel_loss
from gpt_sovits.sovits.masks import length_mask
from gpt_sovits.sovits.model import SoVITS, TrainingOutput, take_segments
from gpt_sovits.sovits.spectrogram import log_mel_from_spectrogram, log_mel_spectrogram
from gpt_sovits.weights.checkpoint import load_weights

BUCKET_FRAMES = 100  # 2 s: clips in a batch differ by little more than this
SLOW_PARTS = ("enc_p.text_embedding.", "enc_p.encoder_text.", "enc_p.mrte.")  # what a new voice changes least

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class AdaptSoVITSOptions:
    """n_epochs, batch_size, save_every_epochs, n_threads: at least 1; the last epoch is always saved
    segment_frames: latent frames of 20 ms that the generator decodes per clip and step, at least 8
    learning_rate: above 0, times learning_rate_decay in (0, 1] each epoch, the first included
    text_low_lr_rate: in [0, 1], share of the learning rate for phoneme encoder and MRTE
    mel_weight, kl_weight, adversarial_weight, feature_weight: at least 0, of the generator's losses; with the last two
        at 0 there is no discriminator and a step takes about a fifth less time
    gradient_clip_norm: above 0, largest L2 norm of a model's gradient; weight_decay: at least 0, AdamW's
    device: "cpu" or "cuda"
    """

    n_epochs: int
    batch_size: int
    segment_frames: int
    learning_rate: float
    text_low_lr_rate: float
    mel_weight: float
    kl_weight: float
    gradient_clip_norm: float
    save_every_epochs: int
    seed: int
    n_threads: int
    adversarial_weight: float = 1.0
    feature_weight: float = 1.0
    learning_rate_decay: float = 0.999875
    weight_decay: float = 0.01
    device: str = "cpu"

    def __post_init__(self) -> None:
        for name, least in (
            ("n_epochs", 1),
            ("batch_size", 1),
            ("save_every_epochs", 1),
            ("n_threads", 1),
            ("segment_frames", 8),
        ):
            if getattr(self, name) < least:
                raise ValueError(f"adapt_sovits: {name} must be at least {least}, not {getattr(self, name)}")
        for name in ("learning_rate", "gradient_clip_norm", "learning_rate_decay"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"adapt_sovits: {name} must be a finite number above 0, not {value}")
        weights = ("mel_weight", "kl_weight", "adversarial_weight", "feature_weight", "weight_decay")
        for name in (*weights, "text_low_lr_rate"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"adapt_sovits: {name} must be a finite number of at least 0, not {value}")
        for name in ("text_low_lr_rate", "learning_rate_decay"):
            if getattr(self, name) > 1:
                raise ValueError(f"adapt_sovits: {name} must be at most 1, not {getattr(self, name)}")

    @property
    def uses_discriminator(self) -> bool:
        return self.adversarial_weight > 0 or self.feature_weight > 0


@dataclasses.dataclass(frozen=True)
class EpochRecord:
    """One row of the learning curve. Training losses are means over steps, unweighted; those of the held-out clips are
    means over clips, and None without such clips. mel: mean |difference| of log-mels; kl: nats a frame; the losses with
    a discriminator are 0 without one."""

    epoch: int
    n_steps: int  # since the beginning
    learning_rate: float
    train_mel_loss: float
    train_kl_loss: float
    train_adversarial_loss: float
    train_feature_loss: float
    train_discriminator_loss: float
    held_out_mel_loss: float | None
    held_out_kl_loss: float | None
    is_saved: bool  # whether a checkpoint of this epoch is wanted (save_every_epochs, and the last one)


def adapt_sovits(
    config: SoVITSConfig,
    state: Mapping[str, Tensor],
    discriminator_config: DiscriminatorConfig,
    discriminator_state: Mapping[str, Tensor],
    train_clips: Sequence[SoVITSClip],
    held_out_clips: Sequence[SoVITSClip],
    options: AdaptSoVITSOptions,
    resume_folder: Path,
    on_epoch: Callable[[int, SoVITS, EpochRecord], None],
) -> list[EpochRecord]:
    """Fine-tune the base weights and return one record an epoch, those before an interruption included.

    on_epoch(epoch, model, record) is called after each epoch, counted from 1, before the epoch's state is stored. An
    interrupted run continues after the last stored epoch, so on_epoch sees each epoch at least once over all runs, and
    twice with the same weights where the interruption fell between. What it writes has to outlive an interruption: keep
    it beside `resume_folder` until the end. The state stays when training ends (training.remove_training_state).

    Raises ValueError for clips that cannot be trained on and weights that do not fit, TrainingDivergedError as soon as
    a loss or gradient is not finite.
    """
    if not train_clips:
        raise ValueError("adapt_sovits: no clips to train on; the features stage must keep at least one training clip")
    for clip in (*train_clips, *held_out_clips):
        check_clip(clip, config)
    with deterministic(options.seed, options.n_threads, options.device):
        model, discriminator = SoVITS(config), Discriminator(discriminator_config)
        load_weights(model, state, "adapt_sovits: the base's sovits")
        load_weights(discriminator, discriminator_state, "adapt_sovits: the base's discriminator")
        trainer = _Trainer(model.to(options.device), discriminator.to(options.device), options)
        inputs = dict(_inputs(state, discriminator_state, train_clips, held_out_clips))
        configs = {"sovits": config.to_dict(), "discriminator": discriminator_config.to_dict()}
        belongs_to = fingerprint({"config": configs, "options": dataclasses.asdict(options)}, inputs)
        return _train(trainer, train_clips, held_out_clips, resume_folder, belongs_to, on_epoch)


def _train(
    trainer: _Trainer,
    train_clips: Sequence[SoVITSClip],
    held_out_clips: Sequence[SoVITSClip],
    resume_folder: Path,
    belongs_to: str,
    on_epoch: Callable[[int, SoVITS, EpochRecord], None],
) -> list[EpochRecord]:
    options = trainer.options
    modules = {"sovits": trainer.model, "discriminator": trainer.discriminator}
    optimizers = {"sovits": trainer.optimizer, "discriminator": trainer.discriminator_optimizer}
    progress = load_training_state(resume_folder, modules, optimizers, belongs_to)
    records = [EpochRecord(**values) for values in progress["records"]] if progress else []
    if records:
        log.info("adapt_sovits continues after epoch %d of %d", records[-1].epoch, options.n_epochs)
    for epoch in range(len(records) + 1, options.n_epochs + 1):
        n_steps = records[-1].n_steps if records else 0
        train, n_steps = trainer.train_epoch(train_clips, epoch, n_steps)
        held_out = trainer.held_out_losses(held_out_clips, epoch, n_steps)
        record = EpochRecord(
            epoch=epoch,
            n_steps=n_steps,
            learning_rate=trainer.learning_rate(epoch),
            **{f"train_{name}_loss": value for name, value in train.items()},
            held_out_mel_loss=held_out[0] if held_out else None,
            held_out_kl_loss=held_out[1] if held_out else None,
            is_saved=epoch % options.save_every_epochs == 0 or epoch == options.n_epochs,
        )
        on_epoch(epoch, trainer.model, record)
        records.append(record)
        progress = {"records": [dataclasses.asdict(r) for r in records]}
        save_training_state(resume_folder, modules, optimizers, progress, belongs_to)
    return records


class _Trainer:
    """The two networks, their optimisers and one step of each."""

    def __init__(self, model: SoVITS, discriminator: Discriminator, options: AdaptSoVITSOptions) -> None:
        self.model, self.discriminator, self.options = model, discriminator, options
        trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]  # the quantiser's are not
        groups = [
            {"params": [p for name, p in trained if not name.startswith(SLOW_PARTS)], "rate": 1.0},
            {
                "params": [p for name, p in trained if name.startswith(SLOW_PARTS)],
                "rate": options.text_low_lr_rate,
            },
        ]
        self.optimizer = self._adamw(groups)
        self.discriminator_optimizer = self._adamw([{"params": list(discriminator.parameters()), "rate": 1.0}])

    def _adamw(self, groups: list[dict[str, object]]) -> torch.optim.AdamW:
        return torch.optim.AdamW(
            groups, lr=self.options.learning_rate, betas=(0.8, 0.99), eps=1e-9, weight_decay=self.options.weight_decay
        )

    def learning_rate(self, epoch: int) -> float:
        return self.options.learning_rate * self.options.learning_rate_decay**epoch

    def train_epoch(self, clips: Sequence[SoVITSClip], epoch: int, n_steps: int) -> tuple[dict[str, float], int]:
        """(mean of each loss over the epoch's steps, steps so far)"""
        options = self.options
        self.model.train()
        self.discriminator.train()
        for group in (*self.optimizer.param_groups, *self.discriminator_optimizer.param_groups):
            group["lr"] = self.learning_rate(epoch) * group["rate"]
        sums: dict[str, float] = {}
        lengths = [clip.n_frames for clip in clips]
        batches = length_buckets(lengths, options.batch_size, options.seed, epoch, BUCKET_FRAMES)
        for indices in batches:
            n_steps += 1
            batch = collate([clips[i] for i in indices], self.model.config, options.segment_frames)
            generator = torch.Generator().manual_seed(derive_seed("crops and noise", options.seed, n_steps))
            room = (batch.frame_lengths - options.segment_frames).clamp(min=0)
            starts = (torch.rand(len(indices), generator=generator) * (room + 1)).long()
            noise = draw_noise(batch, self.model.config, [generator] * len(indices))
            losses = self._step(batch.to(options.device), starts.to(options.device), noise.to(options.device))
            for name, value in losses.items():
                require_finite(f"adapt_sovits: {name}", value, epoch, n_steps)
                sums[name] = sums.get(name, 0.0) + value
        means = {name: sums.get(name, 0.0) / len(batches) for name in ("mel", "kl", "adversarial", "feature")}
        return means | {"discriminator": sums.get("discriminator", 0.0) / len(batches)}, n_steps

    def _step(self, batch: SoVITSBatch, starts: Tensor, noise: Tensor) -> dict[str, float]:
        options, hop = self.options, self.model.config.hop_length
        out = self._forward(batch, starts, noise)
        losses: dict[str, float] = {}
        real_features: list[list[Tensor]] = []
        if options.uses_discriminator:
            real = take_segments(batch.waveforms, starts * hop, options.segment_frames * hop)
            self.discriminator.requires_grad_(True)
            real_scores, _ = self.discriminator(real)
            generated_scores, _ = self.discriminator(out.waveforms.detach())
            loss = discriminator_loss(real_scores, generated_scores)
            losses["discriminator"] = loss.item()
            losses["discriminator_gradient_norm"] = self._update(self.discriminator_optimizer, self.discriminator, loss)
            self.discriminator.requires_grad_(False)  # from here on only the generator learns
            with torch.no_grad():
                _, real_features = self.discriminator(real)

        mel, kl = self._mel_and_kl(batch, starts, out)
        total = options.mel_weight * mel + options.kl_weight * kl
        losses |= {"mel": mel.item(), "kl": kl.item()}
        if options.uses_discriminator:
            scores, features = self.discriminator(out.waveforms)
            adversarial, feature = adversarial_loss(scores), feature_matching_loss(real_features, features)
            total = total + options.adversarial_weight * adversarial + options.feature_weight * feature
            losses |= {"adversarial": adversarial.item(), "feature": feature.item()}
        losses["gradient_norm"] = self._update(self.optimizer, self.model, total)
        return losses

    def _update(self, optimizer: torch.optim.Optimizer, module: nn.Module, loss: Tensor) -> float:
        """One optimiser step; nothing moves, and the norm tells, where the gradient is not finite."""
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = clip_grad_norm_(module.parameters(), self.options.gradient_clip_norm).item()
        if math.isfinite(norm):
            optimizer.step()
        return norm

    def _forward(self, batch: SoVITSBatch, starts: Tensor, noise: Tensor) -> TrainingOutput:
        return self.model(
            batch.ssl_features,
            batch.spectrograms,
            batch.frame_lengths,
            batch.phoneme_ids,
            batch.phoneme_lengths,
            noise,
            starts,
            self.options.segment_frames,
            batch.speaker_embeddings,
        )

    def _mel_and_kl(self, batch: SoVITSBatch, starts: Tensor, out: TrainingOutput) -> tuple[Tensor, Tensor]:
        c, n = self.model.config, self.options.segment_frames
        real = log_mel_from_spectrogram(take_segments(batch.spectrograms, starts, n), c.sample_rate, c.n_mels)
        generated = log_mel_spectrogram(out.waveforms[:, 0], c.sample_rate, c.n_fft, c.hop_length, c.n_mels)
        inside = length_mask((batch.frame_lengths - starts).clamp(max=n), n)  # a clip may be shorter than a crop
        mel = mel_loss(real, generated, inside)
        kl = kl_loss(out.z_prior, out.log_deviation_posterior, out.mean_prior, out.log_deviation_prior, out.mask)
        return mel, kl

    @torch.no_grad()
    def held_out_losses(self, clips: Sequence[SoVITSClip], epoch: int, n_steps: int) -> tuple[float, float] | None:
        """(mel, KL), mean over clips; the middle crop and noise of each clip never change. None without clips."""
        self.model.eval()
        if not clips:
            return None
        sums = [0.0, 0.0]
        for index, clip in enumerate(clips):
            batch = collate([clip], self.model.config, self.options.segment_frames)
            starts = (batch.frame_lengths - self.options.segment_frames).clamp(min=0) // 2
            generator = torch.Generator().manual_seed(derive_seed("held out", index))
            noise = draw_noise(batch, self.model.config, [generator]).to(self.options.device)
            batch, starts = batch.to(self.options.device), starts.to(self.options.device)
            losses = self._mel_and_kl(batch, starts, self._forward(batch, starts, noise))
            for i, (name, loss) in enumerate(zip(("mel", "kl"), losses, strict=True)):
                sums[i] += require_finite(f"adapt_sovits: held-out {name}", loss.item(), epoch, n_steps)
        return sums[0] / len(clips), sums[1] / len(clips)


def _inputs(
    state: Mapping[str, Tensor],
    discriminator_state: Mapping[str, Tensor],
    train_clips: Sequence[SoVITSClip],
    held_out_clips: Sequence[SoVITSClip],
) -> Iterator[tuple[str, Tensor]]:
    yield from ((f"base/sovits/{name}", tensor) for name, tensor in state.items())
    yield from ((f"base/discriminator/{name}", tensor) for name, tensor in discriminator_state.items())
    for split, clips in (("train", train_clips), ("held_out", held_out_clips)):
        for i, clip in enumerate(clips):
            yield from ((f"{split}/{i:06d}/{name}", tensor) for name, tensor in clip.tensors().items())

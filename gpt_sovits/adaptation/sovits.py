"""Few-shot fine-tuning of SoVITS on one speaker's clips.

Adversarial training as upstream does it (the discriminator steps first, then the generator), the quantiser frozen, with
a loss on fixed crops of held-out clips after every epoch. What differs between recipes is in sovits_recipe.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from gpt_sovits.adaptation.batches import StepGroup, step_groups
from gpt_sovits.adaptation.filters import usable_clips
from gpt_sovits.adaptation.groups import ParameterGroup, parameter_groups
from gpt_sovits.adaptation.loop import Adaptation, OnEpoch, run_epochs, stops_early
from gpt_sovits.adaptation.precision import Stepper
from gpt_sovits.adaptation.sovits_batch import SoVITSBatch, SoVITSClip, check_clip, collate, draw_noise
from gpt_sovits.adaptation.sovits_recipe import RECIPES, AdaptSoVITSOptions, stretched
from gpt_sovits.adaptation.state import fingerprint
from gpt_sovits.determinism import derive_seed, deterministic
from gpt_sovits.sovits.config import DiscriminatorConfig, SoVITSConfig
from gpt_sovits.sovits.discriminator import Discriminator
from gpt_sovits.sovits.layers.masks import length_mask
from gpt_sovits.sovits.losses import adversarial_loss, discriminator_loss, feature_matching_loss, kl_loss, mel_loss
from gpt_sovits.sovits.model import SoVITS, TrainingOutput, take_segments
from gpt_sovits.sovits.spectrogram import log_mel_from_spectrogram, log_mel_spectrogram
from gpt_sovits.weights.checkpoint import load_weights

LOSSES = ("mel", "kl", "latent", "prior_mel", "adversarial", "feature", "discriminator")


def adapt_sovits(
    config: SoVITSConfig,
    state: Mapping[str, Tensor],
    discriminator_config: DiscriminatorConfig,
    discriminator_state: Mapping[str, Tensor],
    train_clips: Sequence[SoVITSClip],
    held_out_clips: Sequence[SoVITSClip],
    options: AdaptSoVITSOptions,
    resume_folder: Path,
    on_epoch: OnEpoch,
) -> Adaptation:
    """Fine-tune the base weights; see loop.run_epochs for on_epoch and for interruptions.

    Losses of the curve: mel is the mean |difference| of log-mels, kl nats a frame, latent and prior_mel the differences
    of what tokens and text alone make, all unweighted; those that the options do not use are 0. Training losses are
    means over steps, held-out losses over clips; the held-out `loss`, by which the best epoch is chosen, is the
    weighted sum of those without a discriminator.
    The state in resume_folder stays when training ends (state.remove_training_state).

    Raises ValueError for clips that cannot be trained on, settings and weights that do not fit, and a base without a
    posterior encoder; TrainingDivergedError where a loss or gradient stays not finite.
    """
    if not any(name.startswith("enc_q.") for name in state):
        raise ValueError(
            "adapt_sovits: the base's sovits has no posterior encoder (enc_q): it comes from a file that was made for "
            "speaking alone, which cannot be trained further; take a base with all its weights, such as the official "
            "pretrained s2G file"
        )
    for clip in (*train_clips, *held_out_clips):
        check_clip(clip, config)
    train, held_out, dropped = usable_clips(
        train_clips, held_out_clips, options.limits(), options.max_dropped_share, options.what
    )
    with deterministic(options.seed, options.n_threads, options.device):
        model, discriminator = SoVITS(config), Discriminator(discriminator_config)
        load_weights(model, state, "adapt_sovits: the base's sovits")
        load_weights(discriminator, discriminator_state, "adapt_sovits: the base's discriminator")
        model, discriminator = model.to(options.device), discriminator.to(options.device)
        training = _SoVITSTraining(model, discriminator, train, held_out, options)
        options = training.options
        inputs = dict(_inputs(state, discriminator_state, train, held_out))
        configs = {"sovits": config.to_dict(), "discriminator": discriminator_config.to_dict()}
        belongs_to = fingerprint({"config": configs, "options": options.identity()}, inputs)
        records = run_epochs(training, resume_folder, belongs_to, on_epoch)
    return Adaptation(records, dropped, training.held_out_names, stops_early(records, options))


class _Prepared(NamedTuple):
    """A batch with its random numbers, and its part in the means over all batches of a step."""

    batch: SoVITSBatch
    starts: Tensor  # (B,) first frames of the crops
    noise: Tensor  # (B, latent_channels, T)
    share_of_clips: float
    share_of_frames: float
    share_of_crop_frames: float


class _SoVITSTraining:
    """A loop.Training: the two networks, their optimisers and one step of each."""

    def __init__(
        self,
        model: SoVITS,
        discriminator: Discriminator,
        clips: Sequence[SoVITSClip],
        held_out_clips: Sequence[SoVITSClip],
        options: AdaptSoVITSOptions,
    ) -> None:
        self.model, self.discriminator, self.options = model, discriminator, options
        self.clips, self.held_out_clips, self.has_held_out = clips, held_out_clips, bool(held_out_clips)
        self.recipe = RECIPES[options.recipe]
        self.spectral_names = ("mel", "kl", *(("latent", "prior_mel") if options.uses_prior else ()))
        self.held_out_names = ("loss", *(f"{name}_loss" for name in self.spectral_names))
        model.ref_enc.padding_leaks = self.recipe.padding_leaks
        generator_groups = parameter_groups(model, options.frozen, options.learning_rate_factors, options.what)
        discriminator_groups = parameter_groups(discriminator, (), {}, options.what)
        self.modules = {"sovits": model, "discriminator": discriminator}
        self.optimizers = {
            "sovits": _adamw(generator_groups, options),
            "discriminator": _adamw(discriminator_groups, options),
        }
        clip_norm = options.gradient_clip_norm if self.recipe.clips_gradient else None
        self.stepper = Stepper(options.precision, options.device, clip_norm)
        self.options = stretched(options, max(1, sum(group.steps for group in self.groups(1))))

    def groups(self, epoch: int) -> list[StepGroup]:
        batches = self.recipe.batches(self.clips, self.options, epoch)
        return step_groups(batches, self.recipe.n_accumulated(self.options))

    def learning_rate(self, epoch: int, _step: int) -> float:
        return self.options.learning_rate * self.options.learning_rate_decay**epoch

    def run(self, group: StepGroup, epoch: int) -> tuple[dict[str, float], str]:
        prepared = self._prepare(group.batches, epoch)
        losses = dict.fromkeys(LOSSES, 0.0)
        outputs: list[TrainingOutput] = []
        faults = []
        if self.options.uses_discriminator:
            self.discriminator.requires_grad_(True)
            for one in prepared:
                with torch.set_grad_enabled(len(prepared) == 1):  # the graph of a single batch serves both networks
                    outputs = [self._forward(one)]
                losses["discriminator"] += self._learn_to_judge(one, outputs[0])
            faults += self._step("discriminator", {"discriminator": losses["discriminator"]})
            self.discriminator.requires_grad_(False)  # from here on only the generator learns
        for one in prepared:
            out = outputs[0] if outputs and len(prepared) == 1 else self._forward(one)
            for name, value in self._learn_to_speak(one, out).items():
                losses[name] += value
        faults += self._step("sovits", {name: losses[name] for name in LOSSES if name != "discriminator"})
        self.stepper.end_step()
        return losses | {"n_steps": 1.0}, " and ".join(faults)

    def means(self, sums: Mapping[str, float]) -> dict[str, float | None]:
        n = sums.get("n_steps", 0.0)
        return {f"{name}_loss": sums[name] / n if n else None for name in LOSSES}

    @torch.no_grad()
    def held_out(self) -> dict[str, float] | None:
        """The middle crop and the noise of each clip never change."""
        means = dict.fromkeys(self.spectral_names, 0.0)
        for index, clip in enumerate(self.held_out_clips):
            batch = collate([clip], self.model.config, self.options.segment_frames)
            starts = (batch.frame_lengths - self.options.segment_frames).clamp(min=0) // 2
            generator = torch.Generator().manual_seed(derive_seed("held out", index))
            noise = draw_noise(batch, self.model.config, [generator])
            one = self._on_device(_Prepared(batch, starts, noise, 1.0, 1.0, 1.0))
            for name, value in self._spectral_losses(one, self._forward(one)).items():
                means[name] += value.item() / len(self.held_out_clips)
        loss = sum(getattr(self.options, f"{name}_weight") * value for name, value in means.items())
        losses = {f"{name}_loss": value for name, value in means.items()}
        return {"loss": loss} | losses if self.held_out_clips else None

    def _prepare(self, batches: list[list[int]], epoch: int) -> list[_Prepared]:
        """Random numbers belong to (epoch, place), so that they do not depend on how clips are put together."""
        n, config, seed = self.options.segment_frames, self.model.config, self.options.seed
        prepared = []
        for places in batches:
            batch = collate([self.clips[j % len(self.clips)] for j in places], config, n)
            sources = [torch.Generator().manual_seed(derive_seed("crop and noise", seed, epoch, j)) for j in places]
            room = (batch.frame_lengths - n).clamp(min=0)
            starts = (torch.cat([torch.rand(1, generator=source) for source in sources]) * (room + 1)).long()
            noise = draw_noise(batch, config, sources)
            inside = (batch.frame_lengths - starts).clamp(max=n).sum().item()
            counts = float(len(places)), float(batch.frame_lengths.sum()), float(inside)
            prepared.append(_Prepared(batch, starts, noise, *counts))
        totals = [sum(one[i] for one in prepared) for i in (3, 4, 5)]
        return [
            self._on_device(
                one._replace(
                    share_of_clips=one[3] / totals[0],
                    share_of_frames=one[4] / totals[1],
                    share_of_crop_frames=one[5] / totals[2],
                )
            )
            for one in prepared
        ]

    def _on_device(self, one: _Prepared) -> _Prepared:
        device = self.options.device
        return one._replace(batch=one.batch.to(device), starts=one.starts.to(device), noise=one.noise.to(device))

    def _forward(self, one: _Prepared) -> TrainingOutput:
        batch = one.batch
        with self.stepper.autocast():
            out = self.model(
                batch.ssl_features,
                batch.spectrograms,
                batch.frame_lengths,
                batch.phoneme_ids,
                batch.phoneme_lengths,
                one.noise,
                one.starts,
                self.options.segment_frames,
                batch.speaker_embeddings,
            )
        return TrainingOutput(*(tensor.float() for tensor in out))

    def _judge(self, waveforms: Tensor) -> tuple[list[Tensor], list[list[Tensor]]]:
        with self.stepper.autocast():
            scores, features = self.discriminator(waveforms)
        return [s.float() for s in scores], [[f.float() for f in layers] for layers in features]

    def _real(self, one: _Prepared) -> Tensor:
        hop = self.model.config.hop_length
        return take_segments(one.batch.waveforms, one.starts * hop, self.options.segment_frames * hop)

    def _learn_to_judge(self, one: _Prepared, out: TrainingOutput) -> float:
        real_scores, _ = self._judge(self._real(one))
        generated_scores, _ = self._judge(out.waveforms.detach())
        loss = one.share_of_clips * discriminator_loss(real_scores, generated_scores)
        self.stepper.backward(loss)
        return loss.item()

    def _learn_to_speak(self, one: _Prepared, out: TrainingOutput) -> dict[str, float]:
        options = self.options
        losses = self._spectral_losses(one, out)
        if options.uses_discriminator:
            with torch.no_grad():
                _, real_features = self._judge(self._real(one))
            scores, features = self._judge(out.waveforms)
            losses["adversarial"] = one.share_of_clips * adversarial_loss(scores)
            losses["feature"] = one.share_of_clips * feature_matching_loss(real_features, features)
        self.stepper.backward(sum(getattr(options, f"{name}_weight") * loss for name, loss in losses.items()))
        return {name: loss.item() for name, loss in losses.items()}

    def _spectral_losses(self, one: _Prepared, out: TrainingOutput) -> dict[str, Tensor]:
        """The losses without a discriminator, each as its part in the mean over the batches of a step."""
        n = self.options.segment_frames
        # a clip may be shorter than a crop
        inside = length_mask((one.batch.frame_lengths - one.starts).clamp(max=n), n)
        kl = kl_loss(out.z_prior, out.log_deviation_posterior, out.mean_prior, out.log_deviation_prior, out.mask)
        losses = {
            "mel": one.share_of_crop_frames * self._mel(one, out.waveforms, inside),
            "kl": one.share_of_frames * kl,
        }
        if self.options.uses_prior:
            with self.stepper.autocast():
                z, waveforms = self.model.reconstruct_from_prior(out, one.starts, n)
            # the posterior is the target: it does not move towards what the tokens can say
            losses["latent"] = one.share_of_frames * mel_loss(out.mean_posterior.detach(), z.float(), out.mask)
            losses["prior_mel"] = one.share_of_crop_frames * self._mel(one, waveforms.float(), inside)
        return losses

    def _mel(self, one: _Prepared, waveforms: Tensor, inside: Tensor) -> Tensor:
        c, n = self.model.config, self.options.segment_frames
        real = log_mel_from_spectrogram(take_segments(one.batch.spectrograms, one.starts, n), c.sample_rate, c.n_mels)
        generated = log_mel_spectrogram(waveforms[:, 0], c.sample_rate, c.n_fft, c.hop_length, c.n_mels)
        return mel_loss(real, generated, inside)

    def _step(self, network: str, losses: Mapping[str, float]) -> list[str]:
        """One optimiser step; the faults that prevented it."""
        faults = [f"the {name} loss is {value}" for name, value in losses.items() if not math.isfinite(value)]
        norm = self.stepper.step(self.optimizers[network], self.modules[network], not faults)
        if not faults and not math.isfinite(norm):
            faults.append(f"the {network} gradient's norm is {norm}")
        return faults


def _adamw(groups: list[ParameterGroup], options: AdaptSoVITSOptions) -> torch.optim.AdamW:
    made = [{"params": list(group.parameters.values()), "factor": group.factor} for group in groups]
    return torch.optim.AdamW(
        made, lr=options.learning_rate, betas=(0.8, 0.99), eps=1e-9, weight_decay=options.weight_decay
    )


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

"""Few-shot fine-tuning of the SoVITS on one speaker's clips.

Adversarial training as upstream does it: the discriminator steps first, then the generator. The quantiser is frozen.
After every epoch there is a loss on fixed crops of held-out clips. sovits_recipe.py has the settings and what differs
between recipes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from gpt_sovits.adaptation.batches import StepGroup, step_groups
from gpt_sovits.adaptation.data_parallel import DataParallel, seed_batch
from gpt_sovits.adaptation.filters import usable_clips
from gpt_sovits.adaptation.groups import ParameterGroup, parameter_groups
from gpt_sovits.adaptation.loop import Adaptation, OnEpoch, run_epochs, stops_early
from gpt_sovits.adaptation.precision import Stepper
from gpt_sovits.adaptation.sovits_batch import SoVITSBatch, SoVITSClip, check_clip, collate, draw_noise
from gpt_sovits.adaptation.sovits_recipe import RECIPES, AdaptSoVITSOptions, extend_to_min_steps
from gpt_sovits.adaptation.state import fingerprint
from gpt_sovits.determinism import derive_seed, deterministic, require_device
from gpt_sovits.sovits.config import DiscriminatorConfig, SoVITSConfig
from gpt_sovits.sovits.discriminator import Discriminator
from gpt_sovits.sovits.layers.masks import length_mask, take_segments
from gpt_sovits.sovits.losses import adversarial_loss, discriminator_loss, feature_matching_loss, kl_loss, mel_loss
from gpt_sovits.sovits.model import SoVITS, TrainingOutput
from gpt_sovits.sovits.pitch import pitch_loss, track_pitch
from gpt_sovits.sovits.spectrogram import log_mel_from_spectrogram, log_mel_spectrogram
from gpt_sovits.weights.checkpoint import load_weights

LOSSES = ("mel", "kl", "latent", "prior_mel", "pitch", "adversarial", "feature", "discriminator")


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
    *,
    code: str = "",
) -> Adaptation:
    """Fine-tune a base's SoVITS.

    The losses of the curve have no weights. mel is the mean absolute difference of log-mels, kl is in nats per frame,
    latent and prior_mel are the differences of what tokens and text alone give. pitch is the sum of how far the pitch
    of the copy and of what tokens and text give is off, in semitones. Losses that the options do not use are 0.
    Training losses are means over steps, held-out losses means over clips. The held-out `loss`, which decides which
    epoch is best, is the weighted sum of the losses without a discriminator.

    Args:
        config: the SoVITS's config.
        state: the base's weights.
        discriminator_config: the discriminator's config.
        discriminator_state: the base's weights of the discriminator.
        train_clips: clips to train on.
        held_out_clips: clips that are only measured.
        options: the settings.
        resume_folder: folder of the state, which stays when training ends (state.remove_training_state).
        on_epoch: called after each epoch, see loop.run_epochs.
        code: names the code that trains, for instance by its hash. A state of other code is not used.

    Raises:
        ValueError: a clip cannot be trained on, settings or weights do not fit, the base has no posterior encoder, or
            torch does not find the device.
        TrainingDivergedError: losses or gradients stay NaN or infinite.
    """
    require_device(options.device, f"{options.section}.device")
    _require_posterior(state)
    for clip in (*train_clips, *held_out_clips):
        check_clip(clip, config)
    train, held_out, dropped = usable_clips(
        train_clips, held_out_clips, options.limits(), options.max_dropped_share, options.section
    )
    with deterministic(options.seed, options.n_threads, options.device):
        model, discriminator = SoVITS(config), Discriminator(discriminator_config)
        load_weights(model, state, "adapt_sovits: the base's sovits")
        load_weights(discriminator, discriminator_state, "adapt_sovits: the base's discriminator")
        model, discriminator = model.to(options.device), discriminator.to(options.device)
        training = _SoVITSTraining(model, discriminator, train, held_out, options)
        options = training.options
        inputs = dict(_named_inputs(state, discriminator_state, train, held_out))
        configs = {"sovits": config.to_dict(), "discriminator": discriminator_config.to_dict()}
        values = {"config": configs, "options": options.identity(), "code": code}
        inputs_fingerprint = fingerprint(values, inputs)
        records = run_epochs(training, resume_folder, inputs_fingerprint, on_epoch)
    return Adaptation(records, dropped, training.held_out_names, stops_early(records, options))


def _require_posterior(state: Mapping[str, Tensor]) -> None:
    if not any(name.startswith("enc_q.") for name in state):
        raise ValueError(
            "adapt_sovits: the base's sovits has no posterior encoder (enc_q): it comes from a file that was made for "
            "speaking only, which cannot be trained further; take a base with all its weights, such as the official "
            "pretrained s2G file"
        )


class _PreparedBatch(NamedTuple):
    """A batch with its random numbers, and its weights in the means over all batches of a step."""

    batch: SoVITSBatch
    starts: Tensor  # (B,) first frames of the crops
    noise: Tensor  # (B, latent_channels, T)
    share_of_clips: float
    share_of_frames: float
    share_of_crop_frames: float
    first_slot: int
    pitch: tuple[Tensor, Tensor] | None = None  # of track_pitch, for a base with harmonics


class _SoVITSTraining:
    """The loop.Training of the SoVITS: two networks, their optimisers and one step of each."""

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
        self.has_pitch = model.config.istft_harmonics and options.pitch_weight > 0
        self.spectral_names = (
            *("mel", "kl"),
            *(("latent", "prior_mel") if options.uses_prior else ()),
            *(("pitch",) if self.has_pitch else ()),
        )
        self.held_out_names = ("loss", *(f"{name}_loss" for name in self.spectral_names))
        model.ref_enc.padding_leaks = self.recipe.padding_leaks
        generator_groups = parameter_groups(model, options.frozen, options.learning_rate_factors, options.section)
        discriminator_groups = parameter_groups(discriminator, (), {}, options.section)
        self.modules = {"sovits": model, "discriminator": discriminator}
        self.optimizers = {
            "sovits": _adamw(generator_groups, options),
            "discriminator": _adamw(discriminator_groups, options),
        }
        clip_norm = options.gradient_clip_norm if self.recipe.clips_gradient else None
        self.stepper = Stepper(options.precision, options.device, clip_norm)
        self.processes = DataParallel(options.device)
        self.processes.require_work(options.recipe, options.accumulate_batches, section=options.section)
        self.options = extend_to_min_steps(options, max(1, sum(group.has_step for group in self.step_groups(1))))

    def step_groups(self, epoch: int) -> list[StepGroup]:
        batches = self.recipe.batches(self.clips, self.options, epoch)
        return step_groups(batches, self.recipe.n_accumulated(self.options))

    def learning_rate(self, epoch: int, _step: int) -> float:
        return self.options.learning_rate * self.options.learning_rate_decay**epoch

    def train_group(self, group: StepGroup, epoch: int) -> tuple[dict[str, float], str]:
        batches = self._prepare(group.batches, epoch)
        losses = dict.fromkeys(LOSSES, 0.0)
        outputs: list[TrainingOutput] = []
        faults = []
        # 1. The discriminator learns to tell real speech from generated speech
        if self.options.uses_discriminator:
            self.discriminator.requires_grad_(True)

            def discriminate(batch: _PreparedBatch) -> float:
                self._seed(batch, epoch, part="discriminator")
                with torch.set_grad_enabled(len(batches) == 1):  # the graph of a single batch serves both networks
                    outputs[:] = [self._forward(batch)]
                return self._train_discriminator(batch, outputs[0])

            for loss in self.processes.run(batches, self.discriminator, discriminate):
                losses["discriminator"] += loss
            faults += self._step("discriminator", {"discriminator": losses["discriminator"]})
            self.discriminator.requires_grad_(False)  # from here on only the generator is trained

        # 2. The generator learns to speak
        def generate(batch: _PreparedBatch) -> dict[str, float]:
            self._seed(batch, epoch, part="generator")
            out = outputs[0] if outputs and len(batches) == 1 else self._forward(batch)
            return self._train_generator(batch, out)

        for values in self.processes.run(batches, self.model, generate):
            for name, value in values.items():
                losses[name] += value
        faults += self._step("sovits", {name: losses[name] for name in LOSSES if name != "discriminator"})
        self.stepper.end_step()
        return losses | {"n_steps": 1.0}, " and ".join(faults)

    def mean_losses(self, sums: Mapping[str, float]) -> dict[str, float | None]:
        n = sums.get("n_steps", 0.0)
        return {f"{name}_loss": sums[name] / n if n else None for name in LOSSES}

    def held_out_losses(self) -> dict[str, float] | None:
        return self.processes.from_first(self._held_out_losses)

    @torch.no_grad()
    def _held_out_losses(self) -> dict[str, float] | None:
        """Return the losses on the middle crop of each clip, with the same noise every time."""
        means = dict.fromkeys(self.spectral_names, 0.0)
        for index, clip in enumerate(self.held_out_clips):
            batch = collate([clip], self.model.config, self.options.segment_frames)
            starts = (batch.frame_lengths - self.options.segment_frames).clamp(min=0) // 2
            generator = torch.Generator().manual_seed(derive_seed("held out", index))
            noise = draw_noise(batch, self.model.config, [generator])
            prepared = self._on_device(_PreparedBatch(batch, starts, noise, 1.0, 1.0, 1.0, index))
            for name, value in self._spectral_losses(prepared, self._forward(prepared)).items():
                means[name] += value.item() / len(self.held_out_clips)
        loss = sum(getattr(self.options, f"{name}_weight") * value for name, value in means.items())
        losses = {f"{name}_loss": value for name, value in means.items()}
        return {"loss": loss} | losses if self.held_out_clips else None

    def _prepare(self, batches: list[list[int]], epoch: int) -> list[_PreparedBatch]:
        """Collate batches. Random numbers depend on (epoch, slot), and so not on how clips are put together."""
        n, config, seed = self.options.segment_frames, self.model.config, self.options.seed
        prepared = []
        for slots in batches:
            batch = collate([self.clips[j % len(self.clips)] for j in slots], config, n)
            sources = [torch.Generator().manual_seed(derive_seed("crop and noise", seed, epoch, j)) for j in slots]
            last_start = (batch.frame_lengths - n).clamp(min=0)
            starts = (torch.cat([torch.rand(1, generator=source) for source in sources]) * (last_start + 1)).long()
            noise = draw_noise(batch, config, sources)
            n_crop_frames = (batch.frame_lengths - starts).clamp(max=n).sum().item()
            counts = float(len(slots)), float(batch.frame_lengths.sum()), float(n_crop_frames)
            prepared.append(_PreparedBatch(batch, starts, noise, *counts, slots[0]))
        n_clips = sum(batch.share_of_clips for batch in prepared)
        n_frames = sum(batch.share_of_frames for batch in prepared)
        n_crop_frames = sum(batch.share_of_crop_frames for batch in prepared)
        return [
            self._on_device(
                batch._replace(
                    share_of_clips=batch.share_of_clips / n_clips,
                    share_of_frames=batch.share_of_frames / n_frames,
                    share_of_crop_frames=batch.share_of_crop_frames / n_crop_frames,
                )
            )
            for batch in prepared
        ]

    def _seed(self, prepared: _PreparedBatch, epoch: int, *, part: str) -> None:
        """Seed dropout for a batch, where batches do not follow one stream of random numbers."""
        if self.options.seeds_batches:
            seed_batch(part, self.options.seed, epoch, prepared.first_slot)

    def _on_device(self, prepared: _PreparedBatch) -> _PreparedBatch:
        device, batch = self.options.device, prepared.batch.to(self.options.device)
        pitch = self._track_pitch(batch) if self.model.config.istft_harmonics else None
        return prepared._replace(
            batch=batch, starts=prepared.starts.to(device), noise=prepared.noise.to(device), pitch=pitch
        )

    def _track_pitch(self, batch: SoVITSBatch) -> tuple[Tensor, Tensor]:
        """Return what track_pitch finds in each clip without its padding, zero beyond its end, two times (B, T)."""
        c, n_frames = self.model.config, batch.spectrograms.shape[2]
        lengths = batch.frame_lengths.tolist()
        found = [
            track_pitch(waveform[:, : n * c.hop_length], c.sample_rate)
            for waveform, n in zip(batch.waveforms, lengths, strict=True)
        ]
        padded = [[F.pad(row, (0, n_frames - n)) for row in rows] for rows, n in zip(found, lengths, strict=True)]
        semitones, voiced = (torch.cat(rows) for rows in zip(*padded, strict=True))
        return semitones, voiced

    def _forward(self, prepared: _PreparedBatch) -> TrainingOutput:
        batch = prepared.batch
        with self.stepper.autocast():
            out = self.model(
                batch.ssl_features,
                batch.spectrograms,
                batch.frame_lengths,
                batch.phoneme_ids,
                batch.phoneme_lengths,
                prepared.noise,
                prepared.starts,
                self.options.segment_frames,
                batch.speaker_embeddings,
                semitones=None if prepared.pitch is None else prepared.pitch[0],
            )
        return TrainingOutput(*(tensor.float() for tensor in out))

    def _discriminate(self, waveforms: Tensor) -> tuple[list[Tensor], list[list[Tensor]]]:
        with self.stepper.autocast():
            scores, features = self.discriminator(waveforms)
        return [s.float() for s in scores], [[f.float() for f in layers] for layers in features]

    def _real_segments(self, prepared: _PreparedBatch) -> Tensor:
        hop = self.model.config.hop_length
        return take_segments(prepared.batch.waveforms, prepared.starts * hop, self.options.segment_frames * hop)

    def _train_discriminator(self, prepared: _PreparedBatch, out: TrainingOutput) -> float:
        real_scores, _ = self._discriminate(self._real_segments(prepared))
        generated_scores, _ = self._discriminate(out.waveforms.detach())
        loss = prepared.share_of_clips * discriminator_loss(real_scores, generated_scores)
        self.stepper.backward(loss)
        return loss.item()

    def _train_generator(self, prepared: _PreparedBatch, out: TrainingOutput) -> dict[str, float]:
        options = self.options
        losses = self._spectral_losses(prepared, out)
        if options.uses_discriminator:
            with torch.no_grad():
                _, real_features = self._discriminate(self._real_segments(prepared))
            scores, features = self._discriminate(out.waveforms)
            losses["adversarial"] = prepared.share_of_clips * adversarial_loss(scores)
            losses["feature"] = prepared.share_of_clips * feature_matching_loss(real_features, features)
        self.stepper.backward(sum(getattr(options, f"{name}_weight") * loss for name, loss in losses.items()))
        return {name: loss.item() for name, loss in losses.items()}

    def _spectral_losses(self, prepared: _PreparedBatch, out: TrainingOutput) -> dict[str, Tensor]:
        """Return the losses without a discriminator, each with its weight in the mean over the batches of a step."""
        n = self.options.segment_frames
        # A clip may be shorter than a crop
        inside = length_mask((prepared.batch.frame_lengths - prepared.starts).clamp(max=n), n)
        kl = kl_loss(out.z_prior, out.log_deviation_posterior, out.mean_prior, out.log_deviation_prior, out.mask)
        losses = {
            "mel": prepared.share_of_crop_frames * self._mel(prepared, out.waveforms, inside),
            "kl": prepared.share_of_frames * kl,
        }
        if self.options.uses_prior:
            with self.stepper.autocast():
                semitones = None if prepared.pitch is None else prepared.pitch[0]
                z, waveforms = self.model.reconstruct_from_prior(out, prepared.starts, n, semitones=semitones)
            # The posterior is the target, so it must not move towards what the tokens give
            losses["latent"] = prepared.share_of_frames * mel_loss(out.mean_posterior.detach(), z.float(), out.mask)
            losses["prior_mel"] = prepared.share_of_crop_frames * self._mel(prepared, waveforms.float(), inside)
        if self.has_pitch:
            latents = (out.z, z) if self.options.uses_prior else (out.z,)
            losses["pitch"] = prepared.share_of_frames * sum(self._pitch(prepared, out, latent) for latent in latents)
        return losses

    def _pitch(self, prepared: _PreparedBatch, out: TrainingOutput, latent: Tensor) -> Tensor:
        with self.stepper.autocast():
            predicted = self.model.dec.predict_pitch(latent, out.style, prepared.batch.frame_lengths)
        semitones, voiced = prepared.pitch
        return pitch_loss(predicted, semitones, voiced * out.mask[:, 0])

    def _mel(self, prepared: _PreparedBatch, waveforms: Tensor, inside: Tensor) -> Tensor:
        c, n = self.model.config, self.options.segment_frames
        real_spectrograms = take_segments(prepared.batch.spectrograms, prepared.starts, n)
        real = log_mel_from_spectrogram(real_spectrograms, c.sample_rate, c.n_mels)
        generated = log_mel_spectrogram(waveforms[:, 0], c.sample_rate, c.n_fft, c.hop_length, c.n_mels)
        return mel_loss(real, generated, inside)

    def _step(self, network: str, losses: Mapping[str, float]) -> list[str]:
        """Take one optimiser step and return the faults that prevented it."""
        faults = [f"the {name} loss is {value}" for name, value in losses.items() if not math.isfinite(value)]
        norm = self.stepper.step(self.optimizers[network], self.modules[network], not faults)
        if not faults and not math.isfinite(norm):
            faults.append(f"the {network} gradient's norm is {norm}")
        return faults


def _adamw(groups: list[ParameterGroup], options: AdaptSoVITSOptions) -> torch.optim.AdamW:
    optimizer_groups = [{"params": list(group.parameters.values()), "factor": group.factor} for group in groups]
    return torch.optim.AdamW(
        optimizer_groups, lr=options.learning_rate, betas=(0.8, 0.99), eps=1e-9, weight_decay=options.weight_decay
    )


def _named_inputs(
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

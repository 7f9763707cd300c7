"""Few-shot fine-tuning of the GPT on one speaker's clips.

Next-token training in batches of similar length, with a loss on held-out clips after every epoch. gpt_recipe.py has the
settings and what differs between recipes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from gpt_sovits.adaptation.batches import StepGroup
from gpt_sovits.adaptation.data_parallel import DataParallel, seed_batch
from gpt_sovits.adaptation.filters import usable_clips
from gpt_sovits.adaptation.gpt_batch import GPTBatch, GPTClip, check_clip, collate
from gpt_sovits.adaptation.gpt_recipe import RECIPES, AdaptGPTOptions
from gpt_sovits.adaptation.groups import parameter_groups
from gpt_sovits.adaptation.loop import Adaptation, OnEpoch, run_epochs, stops_early
from gpt_sovits.adaptation.precision import Stepper
from gpt_sovits.adaptation.state import fingerprint
from gpt_sovits.determinism import derive_seed, deterministic, require_device
from gpt_sovits.gpt.loss import (
    TokenLoss,
    corrupt_tokens,
    next_token_targets,
    preference_losses,
    sequence_log_probabilities,
    token_loss,
)
from gpt_sovits.gpt.model import GPT, GPTConfig
from gpt_sovits.weights.checkpoint import load_weights


def adapt_gpt(
    config: GPTConfig,
    state: Mapping[str, Tensor],
    train_clips: Sequence[GPTClip],
    held_out_clips: Sequence[GPTClip],
    options: AdaptGPTOptions,
    resume_folder: Path,
    on_epoch: OnEpoch,
    *,
    code: str = "",
) -> Adaptation:
    """Fine-tune a base's GPT.

    In both recipes the losses of the curve are means over real tokens, in nats, and accuracies are shares of tokens
    whose true value is among the three most probable.

    Args:
        config: the GPT's config.
        state: the base's weights.
        train_clips: clips to train on.
        held_out_clips: clips that are only measured.
        options: the settings.
        resume_folder: folder of the state, which stays when training ends (state.remove_training_state).
        on_epoch: called after each epoch, see loop.run_epochs.
        code: names the code that trains, for instance by its hash. A state of other code is not used.

    Raises:
        ValueError: a clip cannot be trained on, settings or weights do not fit, or torch does not find the device.
        TrainingDivergedError: losses or gradients stay NaN or infinite.
    """
    require_device(options.device, f"{options.section}.device")
    for clip in (*train_clips, *held_out_clips):
        check_clip(clip, config)
    train, held_out, dropped = usable_clips(
        train_clips, held_out_clips, options.limits(), options.max_dropped_share, options.section
    )
    with deterministic(options.seed, options.n_threads, options.device):
        model = GPT(config)
        load_weights(model, state, "adapt_gpt: the base's gpt")
        training = _GPTTraining(model.to(options.device), train, held_out, options)
        values = {"config": config.to_dict(), "options": options.identity(), "code": code}
        inputs_fingerprint = fingerprint(values, dict(_named_inputs(state, train, held_out)))
        records = run_epochs(training, resume_folder, inputs_fingerprint, on_epoch)
    return Adaptation(records, dropped, training.held_out_names, stops_early(records, options))


class _GPTTraining:
    """The loop.Training of the GPT."""

    held_out_names = ("loss", "top3_accuracy")

    def __init__(
        self, model: GPT, clips: Sequence[GPTClip], held_out_clips: Sequence[GPTClip], options: AdaptGPTOptions
    ) -> None:
        self.model, self.clips, self.held_out_clips, self.options = model, clips, held_out_clips, options
        self.has_held_out, self.recipe = bool(held_out_clips), RECIPES[options.recipe]
        groups = parameter_groups(model, options.frozen, options.learning_rate_factors, options.section)
        self.modules = {"gpt": model}
        self.optimizers = {"gpt": self.recipe.optimizer(groups, options)}
        clip_norm = options.gradient_clip_norm if self.recipe.clips_gradient else None
        self.stepper = Stepper(options.precision, options.device, clip_norm)
        self.processes = DataParallel(options.device)
        self.processes.require_work(options.recipe, options.accumulate_batches, section=options.section)

    def step_groups(self, epoch: int) -> list[StepGroup]:
        return self.recipe.step_groups(self.recipe.batches(self.clips, self.options, epoch), self.options)

    def learning_rate(self, _epoch: int, step: int) -> float:
        return self.recipe.learning_rate(self.options, step)

    def train_group(self, group: StepGroup, epoch: int) -> tuple[dict[str, float], str]:
        # The number of real tokens and EOS is known in advance, so that each batch can be freed before the next
        n_tokens = sum(len(self._clip(j).tokens) + 1 for batch in group.batches for j in batch)
        sums = {"loss": 0.0, "n_tokens": float(n_tokens), "n_top3": 0.0}

        def backward(slots: list[int]) -> tuple[float, float]:
            if self.options.seeds_batches:
                seed_batch(self.options.seed, epoch, slots[0])
            objective, loss = self._losses(slots, epoch)
            self.stepper.backward(objective / n_tokens if self.recipe.is_mean else objective)
            return loss.total.item(), float(loss.n_top3)

        for loss, n_top3 in self.processes.run(group.batches, self.model, backward):
            sums["loss"] += loss
            sums["n_top3"] += n_top3
        fault = "" if math.isfinite(sums["loss"]) else f"the training loss is {sums['loss']}"
        if group.has_step:
            norm = self.stepper.step(self.optimizers["gpt"], self.model, not fault)
            self.stepper.end_step()
            fault = fault or ("" if math.isfinite(norm) else f"the gradient's norm is {norm}")
        return sums, fault

    def mean_losses(self, sums: Mapping[str, float]) -> dict[str, float | None]:
        n = sums.get("n_tokens", 0.0)
        return {
            "loss": sums["loss"] / n if n else None,
            "top3_accuracy": sums["n_top3"] / n if n else None,
        }

    def held_out_losses(self) -> dict[str, float] | None:
        return self.processes.from_first(self._held_out_losses)

    @torch.no_grad()
    def _held_out_losses(self) -> dict[str, float] | None:
        total, n_tokens, n_top3 = 0.0, 0, 0
        for start in range(0, len(self.held_out_clips), self.options.batch_size):
            clips = self.held_out_clips[start : start + self.options.batch_size]
            batch = collate(clips, self.model.config, self.options.device)
            loss = token_loss(self._logits(batch, upstream_padding=False), self._targets(batch))
            total += loss.total.item()
            n_tokens += int(loss.n_tokens)
            n_top3 += int(loss.n_top3)
        return {"loss": total / n_tokens, "top3_accuracy": n_top3 / n_tokens} if n_tokens else None

    def _clip(self, slot: int) -> GPTClip:
        return self.clips[slot % len(self.clips)]

    def _losses(self, slots: list[int], epoch: int) -> tuple[Tensor, TokenLoss]:
        """Return (the objective, a sum over the batch, and the plain loss for the curve)."""
        upstream = self.recipe.upstream_padding
        batch = collate([self._clip(j) for j in slots], self.model.config, self.options.device)
        logits = self._logits(batch, upstream)
        loss = token_loss(logits, self._targets(batch))
        objective = token_loss(logits, self._targets(batch, counts_padding=True)).total if upstream else loss.total
        if self.options.preference_weight:
            corrupted = batch.with_tokens(self._corrupt_tokens(batch, slots, epoch))
            chosen = sequence_log_probabilities(logits, self._targets(batch, upstream))
            rejected = sequence_log_probabilities(self._logits(corrupted, upstream), self._targets(corrupted, upstream))
            preferences = preference_losses(chosen, rejected)
            total = preferences.sum() if self.recipe.is_mean else preferences.mean()
            objective = objective + self.options.preference_weight * total
        return objective, loss

    def _corrupt_tokens(self, batch: GPTBatch, slots: list[int], epoch: int) -> list[Tensor]:
        rows = [self._clip(j).tokens for j in slots]
        if self.recipe.upstream_padding:
            rows = list(batch.tokens.cpu())  # upstream corrupts the padded rows
        seeds = [derive_seed("spoilt", self.options.seed, epoch, j) for j in slots]
        return [corrupt_tokens(row, torch.Generator().manual_seed(seed)) for row, seed in zip(rows, seeds, strict=True)]

    def _logits(self, batch: GPTBatch, upstream_padding: bool) -> Tensor:
        with self.stepper.autocast():
            hidden = self.model(
                batch.phoneme_ids,
                batch.phoneme_lengths,
                batch.tokens,
                batch.token_lengths,
                batch.bert_features,
                upstream_padding=upstream_padding,
            )
            return self.model.logits(hidden)

    def _targets(self, batch: GPTBatch, counts_padding: bool = False) -> Tensor:
        eos = self.model.config.eos_token
        padding = {"padding": eos} if counts_padding else {}
        return next_token_targets(batch.tokens, batch.token_lengths, eos, **padding)


def _named_inputs(
    base_state: Mapping[str, Tensor], train_clips: Sequence[GPTClip], held_out_clips: Sequence[GPTClip]
) -> Iterator[tuple[str, Tensor]]:
    yield from ((f"base/{name}", tensor) for name, tensor in base_state.items())
    for split, clips in (("train", train_clips), ("held_out", held_out_clips)):
        for i, clip in enumerate(clips):
            yield from ((f"{split}/{i:06d}/{name}", tensor) for name, tensor in clip.tensors().items())

"""Few-shot fine-tuning of the GPT on one speaker's clips.

Next-token training in batches of similar length, with a loss on held-out clips after every epoch. What differs between
recipes is in gpt_recipe.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from gpt_sovits.adaptation.batches import StepGroup
from gpt_sovits.adaptation.filters import usable_clips
from gpt_sovits.adaptation.gpt_batch import GPTBatch, GPTClip, check_clip, collate
from gpt_sovits.adaptation.gpt_recipe import RECIPES, AdaptGPTOptions
from gpt_sovits.adaptation.groups import parameter_groups
from gpt_sovits.adaptation.loop import Adaptation, OnEpoch, run_epochs, stops_early
from gpt_sovits.adaptation.precision import Stepper
from gpt_sovits.adaptation.state import fingerprint
from gpt_sovits.determinism import derive_seed, deterministic
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
) -> Adaptation:
    """Fine-tune the base weights `state`; see loop.run_epochs for on_epoch and for interruptions.

    Losses of the curve are means over real tokens, in nats, and accuracies shares of tokens whose true value is among
    the three most probable, in both recipes.
    The state in resume_folder stays when training ends (state.remove_training_state).

    Raises ValueError for clips that cannot be trained on, settings and weights that do not fit, TrainingDivergedError
    where a loss or gradient stays not finite.
    """
    for clip in (*train_clips, *held_out_clips):
        check_clip(clip, config)
    train, held_out, dropped = usable_clips(
        train_clips, held_out_clips, options.limits(), options.max_dropped_share, options.what
    )
    with deterministic(options.seed, options.n_threads, options.device):
        model = GPT(config)
        load_weights(model, state, "adapt_gpt: the base's gpt")
        training = _GPTTraining(model.to(options.device), train, held_out, options)
        values = {"config": config.to_dict(), "options": options.identity()}
        belongs_to = fingerprint(values, dict(_inputs(state, train, held_out)))
        records = run_epochs(training, resume_folder, belongs_to, on_epoch)
    return Adaptation(records, dropped, training.held_out_names, stops_early(records, options))


class _GPTTraining:
    """A loop.Training."""

    held_out_names = ("loss", "top3_accuracy")

    def __init__(
        self, model: GPT, clips: Sequence[GPTClip], held_out_clips: Sequence[GPTClip], options: AdaptGPTOptions
    ) -> None:
        self.model, self.clips, self.held_out_clips, self.options = model, clips, held_out_clips, options
        self.has_held_out, self.recipe = bool(held_out_clips), RECIPES[options.recipe]
        groups = parameter_groups(model, options.frozen, options.learning_rate_factors, options.what)
        self.modules = {"gpt": model}
        self.optimizers = {"gpt": self.recipe.optimizer(groups, options)}
        clip_norm = options.gradient_clip_norm if self.recipe.clips_gradient else None
        self.stepper = Stepper(options.precision, options.device, clip_norm)

    def groups(self, epoch: int) -> list[StepGroup]:
        return self.recipe.groups(self.recipe.batches(self.clips, self.options, epoch), self.options)

    def learning_rate(self, _epoch: int, step: int) -> float:
        return self.recipe.learning_rate(self.options, step)

    def run(self, group: StepGroup, epoch: int) -> tuple[dict[str, float], str]:
        # known beforehand, so that each batch can be forgotten before the next: every real token and each EOS
        n_tokens = sum(len(self._clip(j).tokens) + 1 for batch in group.batches for j in batch)
        sums = {"loss": 0.0, "n_tokens": float(n_tokens), "n_top3": 0.0}
        for places in group.batches:
            objective, loss = self._losses(places, epoch)
            self.stepper.backward(objective / n_tokens if self.recipe.is_mean else objective)
            sums["loss"] += loss.total.item()
            sums["n_top3"] += float(loss.n_top3)
        fault = "" if math.isfinite(sums["loss"]) else f"the training loss is {sums['loss']}"
        if group.steps:
            norm = self.stepper.step(self.optimizers["gpt"], self.model, not fault)
            self.stepper.end_step()
            fault = fault or ("" if math.isfinite(norm) else f"the gradient's norm is {norm}")
        return sums, fault

    def means(self, sums: Mapping[str, float]) -> dict[str, float | None]:
        n = sums.get("n_tokens", 0.0)
        return {
            "loss": sums["loss"] / n if n else None,
            "top3_accuracy": sums["n_top3"] / n if n else None,
        }

    @torch.no_grad()
    def held_out(self) -> dict[str, float] | None:
        total, n_tokens, n_top3 = 0.0, 0, 0
        for start in range(0, len(self.held_out_clips), self.options.batch_size):
            clips = self.held_out_clips[start : start + self.options.batch_size]
            batch = collate(clips, self.model.config, self.options.device)
            loss = token_loss(self._logits(batch, upstream_padding=False), self._targets(batch))
            total += loss.total.item()
            n_tokens += int(loss.n_tokens)
            n_top3 += int(loss.n_top3)
        return {"loss": total / n_tokens, "top3_accuracy": n_top3 / n_tokens} if n_tokens else None

    def _clip(self, place: int) -> GPTClip:
        return self.clips[place % len(self.clips)]

    def _losses(self, places: list[int], epoch: int) -> tuple[Tensor, TokenLoss]:
        """(what is minimised, a sum over the batch; the plain loss for the curve)."""
        upstream = self.recipe.upstream_padding
        batch = collate([self._clip(j) for j in places], self.model.config, self.options.device)
        logits = self._logits(batch, upstream)
        loss = token_loss(logits, self._targets(batch))
        objective = token_loss(logits, self._targets(batch, counts_padding=True)).total if upstream else loss.total
        if self.options.preference_weight:
            spoilt = batch.with_tokens(self._spoilt(batch, places, epoch))
            chosen = sequence_log_probabilities(logits, self._targets(batch, upstream))
            rejected = sequence_log_probabilities(self._logits(spoilt, upstream), self._targets(spoilt, upstream))
            preferences = preference_losses(chosen, rejected)
            total = preferences.sum() if self.recipe.is_mean else preferences.mean()
            objective = objective + self.options.preference_weight * total
        return objective, loss

    def _spoilt(self, batch: GPTBatch, places: list[int], epoch: int) -> list[Tensor]:
        rows = [self._clip(j).tokens for j in places]
        if self.recipe.upstream_padding:
            rows = list(batch.tokens.cpu())  # upstream spoils the padded rows
        seeds = [derive_seed("spoilt", self.options.seed, epoch, j) for j in places]
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


def _inputs(
    base_state: Mapping[str, Tensor], train_clips: Sequence[GPTClip], held_out_clips: Sequence[GPTClip]
) -> Iterator[tuple[str, Tensor]]:
    yield from ((f"base/{name}", tensor) for name, tensor in base_state.items())
    for split, clips in (("train", train_clips), ("held_out", held_out_clips)):
        for i, clip in enumerate(clips):
            yield from ((f"{split}/{i:06d}/{name}", tensor) for name, tensor in clip.tensors().items())

"""The fine-tuning of the GPT: its settings, and what differs between recipes.

"voxfoundry" uses AdamW, a mean over real tokens, and the configured learning rate after a linear warm-up. "upstream" is
for comparisons with the original. It uses ScaledAdam, a sum over tokens and padding, and rates and steps that no
setting changes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch.optim import Optimizer

from gpt_sovits.adaptation.batches import (
    StepGroup,
    length_buckets,
    step_groups,
    upstream_gpt_batches,
    upstream_step_groups,
)
from gpt_sovits.adaptation.filters import Limit
from gpt_sovits.adaptation.gpt_batch import GPTClip
from gpt_sovits.adaptation.groups import ParameterGroup
from gpt_sovits.adaptation.options import TrainingOptions
from gpt_sovits.adaptation.scaled_adam import ScaledAdam

BUCKET_TOKENS = 50  # 2 s at 25 Hz: clips in a batch differ by little more than this
UPSTREAM_FIRST_RATE, UPSTREAM_RATE = 0.01, 0.002  # its schedule locks the rate after the first step


@dataclass(frozen=True)
class GPTRecipe:
    """What differs between recipes. Everything else is shared."""

    optimizer: Callable[[list[ParameterGroup], AdaptGPTOptions], Optimizer]
    learning_rate: Callable[[AdaptGPTOptions, int], float]  # for an optimiser step, counted from 1
    batches: Callable[[Sequence[GPTClip], AdaptGPTOptions, int], list[list[int]]]  # for an epoch, counted from 1
    step_groups: Callable[[list[list[int]], AdaptGPTOptions], list[StepGroup]]
    upstream_padding: bool  # padding counts in the loss, with EOS as target, and the mask hides the wrong phonemes
    is_mean: bool  # the loss of a step is the mean over its tokens, not their sum
    clips_gradient: bool
    unused: frozenset[str]  # settings that the recipe ignores


def _adamw(groups: list[ParameterGroup], options: AdaptGPTOptions) -> Optimizer:
    """Return AdamW with weight decay on matrices only: the size of biases, norms and alphas has a meaning."""
    parameter_groups = []
    for group in groups:
        for is_matrix, decay in ((True, options.weight_decay), (False, 0.0)):
            chosen = [p for p in group.parameters.values() if (p.ndim >= 2) == is_matrix]
            parameter_groups.append({"params": chosen, "weight_decay": decay, "factor": group.factor})
    not_empty = [group for group in parameter_groups if group["params"]]
    return torch.optim.AdamW(not_empty, lr=options.learning_rate, betas=(0.9, 0.95))


def _scaled_adam(groups: list[ParameterGroup], _: AdaptGPTOptions) -> Optimizer:
    parameter_groups = [{"params": list(group.parameters.values()), "factor": group.factor} for group in groups]
    return ScaledAdam(parameter_groups, lr=UPSTREAM_FIRST_RATE)


def _warmup_rate(options: AdaptGPTOptions, step: int) -> float:
    return options.learning_rate * (min(1.0, step / options.warmup_steps) if options.warmup_steps else 1.0)


def _length_buckets(clips: Sequence[GPTClip], options: AdaptGPTOptions, epoch: int) -> list[list[int]]:
    return length_buckets([len(c.tokens) for c in clips], options.batch_size, options.seed, epoch, BUCKET_TOKENS)


def _upstream_batches(clips: Sequence[GPTClip], options: AdaptGPTOptions, epoch: int) -> list[list[int]]:
    batch_size = options.batch_size // 2 if options.preference_weight else options.batch_size
    return upstream_gpt_batches([clip.seconds for clip in clips], batch_size, options.seed, epoch)


RECIPES = {
    "voxfoundry": GPTRecipe(
        optimizer=_adamw,
        learning_rate=_warmup_rate,
        batches=_length_buckets,
        step_groups=lambda batches, options: step_groups(batches, options.accumulate_batches),
        upstream_padding=False,
        is_mean=True,
        clips_gradient=True,
        unused=frozenset(),
    ),
    "upstream": GPTRecipe(
        optimizer=_scaled_adam,
        learning_rate=lambda _, step: UPSTREAM_FIRST_RATE if step == 1 else UPSTREAM_RATE,
        batches=_upstream_batches,
        step_groups=lambda batches, _: upstream_step_groups(batches),
        upstream_padding=True,
        is_mean=False,
        clips_gradient=False,
        unused=frozenset({"learning_rate", "warmup_steps", "weight_decay", "gradient_clip_norm", "accumulate_batches"}),
    ),
}


@dataclass(frozen=True, kw_only=True)
class AdaptGPTOptions(TrainingOptions):
    """Settings of the GPT, beside those of TrainingOptions.

    Attributes:
        warmup_steps: optimiser steps over which the learning rate rises from near 0, at least 0.
        preference_weight: weight of the preference loss (gpt/loss.py), at least 0. This loss takes as long as the plain
            one. Upstream's weight is 1 where the loss is on. Each clip is damaged again in every epoch, with its own
            seed.
        max_phonemes: clips with more phonemes are dropped.
        min_phonemes_per_second: slower clips are dropped.
        max_phonemes_per_second: faster clips are dropped.
    """

    warmup_steps: int
    preference_weight: float = 0.0
    max_phonemes: int = 540
    min_phonemes_per_second: float = 0.0
    max_phonemes_per_second: float = math.inf

    section: ClassVar[str] = "adapt_gpt"
    recipes: ClassVar[Mapping[str, GPTRecipe]] = RECIPES
    web_interface: ClassVar[Mapping[str, int]] = {"n_epochs": 15, "save_every_epochs": 5}

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(("warmup_steps", "preference_weight", "min_phonemes_per_second"), at_least=0)
        self.require(("max_phonemes",), at_least=1)

    def limits(self) -> list[Limit]:
        """Return the limits that clips must lie in."""
        return [
            Limit("seconds", lambda c: c.seconds, self.min_clip_seconds, self.max_clip_seconds),
            Limit("phonemes", lambda c: len(c.phoneme_ids), 1, self.max_phonemes),
            Limit(
                "phonemes per second",
                lambda c: c.phonemes_per_second,
                self.min_phonemes_per_second,
                self.max_phonemes_per_second,
            ),
        ]

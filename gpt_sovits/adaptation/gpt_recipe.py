"""The fine-tuning of the GPT: its settings, and what differs between our recipe and upstream's.

Ours: AdamW, a mean over real tokens, the configured learning rate after a linear warm-up. Upstream's, for comparisons:
ScaledAdam, a sum over tokens and padding, rates and steps that no setting changes.
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
    """What differs between recipes; everything else is shared."""

    optimizer: Callable[[list[ParameterGroup], AdaptGPTOptions], Optimizer]
    learning_rate: Callable[[AdaptGPTOptions, int], float]  # of an optimiser step, counted from 1
    batches: Callable[[Sequence[GPTClip], AdaptGPTOptions, int], list[list[int]]]  # of an epoch, counted from 1
    groups: Callable[[list[list[int]], AdaptGPTOptions], list[StepGroup]]
    upstream_padding: bool  # padding counts: its targets are EOS, and the mask hides the wrong phonemes
    is_mean: bool  # the loss of a step is the mean over its tokens, not their sum
    clips_gradient: bool
    unused: frozenset[str]  # settings that the recipe has values of its own for


def _adamw(groups: list[ParameterGroup], options: AdaptGPTOptions) -> Optimizer:
    """Weight decay on matrices only: biases, norms and alphas have a meaning at their size."""
    made = []
    for group in groups:
        for is_matrix, decay in ((True, options.weight_decay), (False, 0.0)):
            chosen = [p for p in group.parameters.values() if (p.ndim >= 2) == is_matrix]
            made.append({"params": chosen, "weight_decay": decay, "factor": group.factor})
    return torch.optim.AdamW([g for g in made if g["params"]], lr=options.learning_rate, betas=(0.9, 0.95))


def _scaled_adam(groups: list[ParameterGroup], _: AdaptGPTOptions) -> Optimizer:
    made = [{"params": list(group.parameters.values()), "factor": group.factor} for group in groups]
    return ScaledAdam(made, lr=UPSTREAM_FIRST_RATE)


def _warmed_up(options: AdaptGPTOptions, step: int) -> float:
    return options.learning_rate * (min(1.0, step / options.warmup_steps) if options.warmup_steps else 1.0)


def _buckets(clips: Sequence[GPTClip], options: AdaptGPTOptions, epoch: int) -> list[list[int]]:
    return length_buckets([len(c.tokens) for c in clips], options.batch_size, options.seed, epoch, BUCKET_TOKENS)


def _upstream_batches(clips: Sequence[GPTClip], options: AdaptGPTOptions, epoch: int) -> list[list[int]]:
    batch_size = options.batch_size // 2 if options.preference_weight else options.batch_size
    return upstream_gpt_batches([clip.seconds for clip in clips], batch_size, options.seed, epoch)


RECIPES = {
    "voxfoundry": GPTRecipe(
        optimizer=_adamw,
        learning_rate=_warmed_up,
        batches=_buckets,
        groups=lambda batches, options: step_groups(batches, options.accumulate_batches),
        upstream_padding=False,
        is_mean=True,
        clips_gradient=True,
        unused=frozenset(),
    ),
    "upstream": GPTRecipe(
        optimizer=_scaled_adam,
        learning_rate=lambda _, step: UPSTREAM_FIRST_RATE if step == 1 else UPSTREAM_RATE,
        batches=_upstream_batches,
        groups=lambda batches, _: upstream_step_groups(batches),
        upstream_padding=True,
        is_mean=False,
        clips_gradient=False,
        unused=frozenset({"learning_rate", "warmup_steps", "weight_decay", "gradient_clip_norm", "accumulate_batches"}),
    ),
}


@dataclass(frozen=True, kw_only=True)
class AdaptGPTOptions(TrainingOptions):
    """Beside those of TrainingOptions:

    warmup_steps: at least 0; optimiser steps over which the learning rate rises from near 0
    preference_weight: at least 0; of the preference loss (gpt.loss), which takes as long as the plain one; upstream's
        is 1 where it is used. Each clip is spoilt anew every epoch, by a seed of its own
    max_phonemes, min_phonemes_per_second, max_phonemes_per_second: clips outside are dropped
    """

    warmup_steps: int
    preference_weight: float = 0.0
    max_phonemes: int = 540
    min_phonemes_per_second: float = 0.0
    max_phonemes_per_second: float = math.inf

    what: ClassVar[str] = "adapt_gpt"
    recipes: ClassVar[Mapping[str, GPTRecipe]] = RECIPES
    web_interface: ClassVar[Mapping[str, int]] = {"n_epochs": 15, "save_every_epochs": 5}

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(("warmup_steps", "preference_weight", "min_phonemes_per_second"), at_least=0)
        self.require(("max_phonemes",), at_least=1)

    def limits(self) -> list[Limit]:
        return [
            Limit("seconds", lambda c: c.seconds, self.min_clip_seconds, self.max_clip_seconds),
            Limit("phonemes", lambda c: len(c.phoneme_ids), 1, self.max_phonemes),
            Limit(
                "phonemes a second",
                lambda c: c.phonemes_per_second,
                self.min_phonemes_per_second,
                self.max_phonemes_per_second,
            ),
        ]

"""Settings that both fine-tunings share, and the checks of their values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from gpt_sovits.adaptation.precision import PRECISIONS

NOT_IN_RESULTS = frozenset({"state_every_steps"})  # settings on which no output depends


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """recipe: "voxfoundry", or "upstream" for a comparison with the original; see the recipe tables of both models
    n_epochs, save_every_epochs: at least 1, or None for what upstream's web interface proposes; the last epoch and the
        best one are always saved
    batch_size: at least 1, clips in a batch
    accumulate_batches: at least 1, batches whose gradients make one optimiser step, as one batch of all their clips
        would; the last step of an epoch takes what is left
    learning_rate: above 0
    frozen: modules or parameters (names as in the state dict, such as "h.layers.0") that do not learn
    learning_rate_factors: modules or parameters that learn at their own share of the rate; the longest name decides
    weight_decay: at least 0; gradient_clip_norm: above 0, largest L2 norm of a network's gradient
    precision: "fp32", "bf16", or "fp16" on CUDA; the weights stay in float32
    max_skipped_steps: at least 0; so many steps in a row may be left out for a loss or gradient that is not finite
    patience_epochs: at least 0; training ends after so many epochs without a better held-out loss; 0 never ends early
    min_improvement: at least 0; by how much a held-out loss must be lower to be better
    min_clip_seconds, max_clip_seconds: clips outside are dropped
    max_dropped_share: in [0, 1]; a larger share of dropped clips is an error
    state_every_steps: at least 0; a state to resume from is stored after so many optimiser steps, 0 for about every
        minute, and always after an epoch
    n_threads: at least 1; device: "cpu" or "cuda"
    """

    n_epochs: int | None
    batch_size: int
    learning_rate: float
    gradient_clip_norm: float
    save_every_epochs: int | None
    seed: int
    n_threads: int
    recipe: str = "voxfoundry"
    accumulate_batches: int = 1
    frozen: tuple[str, ...] = ()
    learning_rate_factors: Mapping[str, float] = field(default_factory=dict)
    weight_decay: float = 0.01
    precision: str = "fp32"
    max_skipped_steps: int = 0
    patience_epochs: int = 0
    min_improvement: float = 0.0
    min_clip_seconds: float = 0.0
    max_clip_seconds: float = math.inf
    max_dropped_share: float = 1.0
    state_every_steps: int = 0
    device: str = "cpu"

    what: ClassVar[str]  # begins every message
    recipes: ClassVar[Mapping[str, Any]]
    web_interface: ClassVar[Mapping[str, int]]  # upstream's proposals, for settings that are None

    def __post_init__(self) -> None:
        for name, proposal in self.web_interface.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, proposal)  # frozen from here on
        self.require(("n_epochs", "batch_size", "save_every_epochs", "n_threads", "accumulate_batches"), at_least=1)
        self.require(("max_skipped_steps", "patience_epochs", "min_improvement", "state_every_steps"), at_least=0)
        self.require(("weight_decay", "min_clip_seconds", "max_dropped_share"), at_least=0)
        self.require(("learning_rate", "gradient_clip_norm"), above=0)
        self.require(("max_dropped_share",), at_most=1)
        if not self.max_clip_seconds > self.min_clip_seconds:
            raise ValueError(
                f"{self.what}: max_clip_seconds ({self.max_clip_seconds}) must be above min_clip_seconds "
                f"({self.min_clip_seconds})"
            )
        for name, factor in self.learning_rate_factors.items():
            if not (math.isfinite(factor) and factor > 0):
                raise ValueError(
                    f"{self.what}: learning_rate_factors.{name} must be above 0, not {factor}; to keep a module as it "
                    "is, put it into `frozen`"
                )
        if self.recipe not in self.recipes:
            raise ValueError(f"{self.what}: recipe must be one of {sorted(self.recipes)}, not {self.recipe!r}")
        if self.precision not in PRECISIONS:
            raise ValueError(f"{self.what}: precision must be one of {sorted(PRECISIONS)}, not {self.precision!r}")
        if self.precision == "fp16" and not self.device.startswith("cuda"):
            raise ValueError(
                f"{self.what}: precision fp16 works on device cuda alone, not on {self.device}; take bf16 or fp32"
            )

    def require(
        self,
        names: tuple[str, ...],
        *,
        at_least: float = -math.inf,
        above: float = -math.inf,
        at_most: float = math.inf,
    ) -> None:
        """Raises ValueError for the first of these settings that is not finite or out of bounds."""
        bounds = (("at least", at_least), ("above", above), ("at most", at_most))
        wanted = " and ".join(f"{word} {value:g}" for word, value in bounds if math.isfinite(value))
        for name in names:
            value = getattr(self, name)
            if not (math.isfinite(value) and at_least <= value <= at_most and value > above):
                raise ValueError(f"{self.what}: {name} must be {wanted}, not {value}")

    def identity(self) -> dict[str, Any]:
        """What a stored state belongs to: every setting that can change a weight."""
        return {name: value for name, value in asdict(self).items() if name not in NOT_IN_RESULTS}

"""Settings that both fine-tunings share, and the checks of their values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from gpt_sovits.adaptation.precision import PRECISIONS

NOT_IN_RESULTS = frozenset({"state_every_steps"})  # settings that change no output


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """Settings that both fine-tunings share. An impossible value raises ValueError.

    Attributes:
        n_epochs: at least 1. None takes the proposal of upstream's web interface.
        batch_size: clips per batch, at least 1.
        learning_rate: above 0.
        gradient_clip_norm: largest L2 norm of a network's gradient, above 0.
        save_every_epochs: at least 1, or None as for n_epochs. The last epoch and the best one are always saved.
        seed: seed of the shuffling and of all random numbers.
        n_threads: CPU threads, at least 1.
        recipe: "voxfoundry", or "upstream" for a comparison with the original. See RECIPES of each model.
        accumulate_batches: batches whose gradients make one optimiser step, at least 1. The result is that of one batch
            with all their clips. The last step of an epoch takes what is left.
        frozen: modules or parameters that are not trained, named as in the state dict, such as "h.layers.0".
        learning_rate_factors: factors on the learning rate, by module or parameter. The longest name decides.
        weight_decay: at least 0.
        precision: "fp32", "bf16", or "fp16" on CUDA. The weights stay in float32.
        max_skipped_steps: number of steps in a row that may be skipped for a loss or gradient that is not finite.
        patience_epochs: training ends after this number of epochs without a better held-out loss. 0 never ends early.
        min_improvement: by how much a held-out loss must be lower to count as better, at least 0.
        min_clip_seconds: shorter clips are dropped.
        max_clip_seconds: longer clips are dropped.
        max_dropped_share: a larger share of dropped clips is an error, in [0, 1].
        state_every_steps: optimiser steps between stored states. 0 stores one about every minute. A state is always
            stored after an epoch.
        device: "cpu" or "cuda".
        section: section of params.yaml. Messages begin with it.
        recipes: the recipes of the model, by name.
        web_interface: proposals of upstream's web interface, for settings that are None.
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

    section: ClassVar[str]
    recipes: ClassVar[Mapping[str, Any]]
    web_interface: ClassVar[Mapping[str, int]]

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
                f"{self.section}: max_clip_seconds ({self.max_clip_seconds}) must be above min_clip_seconds "
                f"({self.min_clip_seconds})"
            )
        for name, factor in self.learning_rate_factors.items():
            if not (math.isfinite(factor) and factor > 0):
                raise ValueError(
                    f"{self.section}: learning_rate_factors.{name} must be above 0, not {factor}; to stop a module "
                    "from training, list it in `frozen`"
                )
        if self.recipe not in self.recipes:
            raise ValueError(f"{self.section}: recipe must be one of {sorted(self.recipes)}, not {self.recipe!r}")
        if self.precision not in PRECISIONS:
            raise ValueError(f"{self.section}: precision must be one of {sorted(PRECISIONS)}, not {self.precision!r}")
        if self.precision == "fp16" and not self.device.startswith("cuda"):
            raise ValueError(
                f"{self.section}: precision fp16 works on device cuda only, not on {self.device}; use bf16 or fp32"
            )

    def require(
        self,
        names: tuple[str, ...],
        *,
        at_least: float = -math.inf,
        above: float = -math.inf,
        at_most: float = math.inf,
    ) -> None:
        """Check that settings are finite and within bounds.

        Args:
            names: names of the settings.
            at_least: smallest value.
            above: bound that the value must exceed.
            at_most: largest value.

        Raises:
            ValueError: a setting is not finite or out of bounds. The message names the first one.
        """
        bounds = (("at least", at_least), ("above", above), ("at most", at_most))
        wanted = " and ".join(f"{word} {value:g}" for word, value in bounds if math.isfinite(value))
        for name in names:
            value = getattr(self, name)
            if not (math.isfinite(value) and at_least <= value <= at_most and value > above):
                raise ValueError(f"{self.section}: {name} must be {wanted}, not {value}")

    @property
    def seeds_batches(self) -> bool:
        """Return whether the random numbers of a batch do not depend on those before it, which lets processes share."""
        return self.accumulate_batches > 1 and self.recipe == "voxfoundry"

    def identity(self) -> dict[str, Any]:
        """Return every setting that can change a weight, as part of what a stored state belongs to."""
        return {name: value for name, value in asdict(self).items() if name not in NOT_IN_RESULTS}

"""The epochs of both fine-tunings: the curve, early stopping, and going on after an interruption.

The loop is the same for both models; a `Training` knows its batches, losses and steps. A state is stored after every
epoch and now and then inside one; a run that is interrupted anywhere and started again ends with the bits of an
undisturbed one (on a CPU with the same number of threads).
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from torch import nn
from torch.optim import Optimizer

from gpt_sovits.adaptation.batches import StepGroup
from gpt_sovits.adaptation.filters import DroppedClip
from gpt_sovits.adaptation.options import TrainingOptions
from gpt_sovits.adaptation.precision import Stepper
from gpt_sovits.adaptation.state import load_training_state, save_training_state

STATE_SECONDS = 60.0  # between states inside an epoch, where no number of steps is set
STATE_SHARE = 0.02  # of the time may go into them

log = logging.getLogger(__name__)


class TrainingDivergedError(RuntimeError):
    """The loss stopped being a number; going on would only spoil the weights."""


@dataclass(frozen=True)
class EpochRecord:
    """One row of the learning curve; the names of the losses are the model's own.

    train: means over the epoch's steps that were not left out, None where all were; held_out: means over the held-out
    clips, None without such clips. `held_out["loss"]` decides what is best.
    """

    epoch: int
    n_steps: int  # optimiser steps since the beginning
    n_skipped_steps: int  # of this epoch, left out because a loss or gradient was not finite
    learning_rate: float  # of the epoch's last step, before any module's factor
    train: dict[str, float | None]
    held_out: dict[str, float] | None
    is_best: bool  # whether no epoch before was better; at the end, whether it is the best of all
    is_saved: bool  # whether a checkpoint is wanted: by save_every_epochs, of the last epoch and of the best

    def row(self, held_out_names: Sequence[str]) -> dict[str, Any]:
        """One flat row: train_NAME and held_out_NAME for every loss."""
        values = {name: value for name, value in asdict(self).items() if name not in {"train", "held_out"}}
        best, saved = values.pop("is_best"), values.pop("is_saved")
        values |= {f"train_{name}": value for name, value in self.train.items()}
        values |= {f"held_out_{name}": (self.held_out or {}).get(name) for name in held_out_names}
        return values | {"is_best": best, "is_saved": saved}


@dataclass(frozen=True)
class Adaptation:
    """What a fine-tuning leaves beside its checkpoints."""

    records: list[EpochRecord]
    dropped: list[DroppedClip]
    held_out_names: tuple[str, ...]
    stopped_early: bool

    @property
    def best_epoch(self) -> int | None:
        """The epoch of lowest held-out loss, None without held-out clips."""
        return next((record.epoch for record in self.records if record.is_best), None)

    def rows(self) -> list[dict[str, Any]]:
        return [record.row(self.held_out_names) for record in self.records]


OnEpoch = Callable[[int, nn.Module, EpochRecord], None]


class Training(Protocol):
    """What the loop drives. `modules` begins with the model that is saved; optimiser groups hold their "factor"."""

    options: TrainingOptions
    modules: Mapping[str, nn.Module]
    optimizers: Mapping[str, Optimizer]
    stepper: Stepper
    held_out_names: tuple[str, ...]
    has_held_out: bool

    def groups(self, epoch: int) -> list[StepGroup]: ...

    def learning_rate(self, epoch: int, step: int) -> float: ...

    def run(self, group: StepGroup, epoch: int) -> tuple[dict[str, float], str]:
        """Learn from the group's batches: (sums for the curve, "" or what was not finite). In the second case no
        network moved that had such a gradient."""

    def means(self, sums: Mapping[str, float]) -> dict[str, float | None]: ...

    def held_out(self) -> dict[str, float] | None: ...


@dataclass
class _Progress:
    """Where a run stands: with weights, optimisers and random states all that it takes to go on."""

    records: list[EpochRecord] = field(default_factory=list)
    n_groups: int = 0  # of the running epoch that are done
    n_steps: int = 0
    n_skipped: int = 0  # in the running epoch
    n_skipped_in_a_row: int = 0
    sums: dict[str, float] = field(default_factory=dict)  # of the running epoch
    stepper: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, stored: dict[str, Any] | None) -> _Progress:
        if stored is None:
            return cls()
        return cls(**stored | {"records": [EpochRecord(**record) for record in stored["records"]]})


def run_epochs(training: Training, resume_folder: Path, belongs_to: str, on_epoch: OnEpoch) -> list[EpochRecord]:
    """Train to the end and return one record an epoch, those before an interruption included.

    belongs_to: names the inputs (state.fingerprint); a stored state of others is not used
    on_epoch(epoch, model, record) is called after each epoch, counted from 1, before the epoch's state is stored: over
        all runs at least once an epoch, twice with the same weights where the interruption fell between. What it writes
        has to outlive an interruption: keep it beside `resume_folder` until the end. In the list that is returned,
        is_best and is_saved of earlier epochs may have become false, because a better one came
    Raises TrainingDivergedError as soon as options.max_skipped_steps does not cover a loss that is not finite, and
    ValueError where the recipe would never step.
    """
    options, what = training.options, training.options.what
    groups = training.groups(1)
    if not any(group.steps for group in groups):
        n = sum(len(group.batches) for group in groups)
        raise ValueError(
            f"{what}: the recipe {options.recipe} makes no step in an epoch of {n} batches, so nothing would be "
            f"learned; batch_size is {options.batch_size}, take a smaller one"
        )
    progress = _Progress.of(load_training_state(resume_folder, training.modules, training.optimizers, belongs_to))
    training.stepper.load(progress.stepper)
    keeper = _StateKeeper(training, resume_folder, belongs_to)
    if options.patience_epochs and not training.has_held_out:
        log.warning("%s: there are no held-out clips, so training cannot end before epoch %d", what, options.n_epochs)
    if progress.n_steps:
        log.info("%s continues after epoch %d, step %d", what, len(progress.records), progress.n_steps)
    model = next(iter(training.modules.values()))
    while not is_over(progress.records, options):
        epoch = len(progress.records) + 1
        _run_epoch(training, epoch, progress, keeper)
        record = _record(training, epoch, progress)
        on_epoch(epoch, model, record)
        progress = _Progress(
            [*progress.records, record], n_steps=progress.n_steps, n_skipped_in_a_row=progress.n_skipped_in_a_row
        )
        keeper.save(progress)
    return _with_final_marks(progress.records, options)


def is_over(records: Sequence[EpochRecord], options: TrainingOptions) -> bool:
    """Whether all epochs are done, or the held-out loss has not become better for options.patience_epochs."""
    return len(records) >= options.n_epochs or stops_early(records, options)


def stops_early(records: Sequence[EpochRecord], options: TrainingOptions) -> bool:
    best = max((record.epoch for record in records if record.is_best), default=None)
    return bool(options.patience_epochs and best is not None and len(records) - best >= options.patience_epochs)


def _run_epoch(training: Training, epoch: int, progress: _Progress, keeper: _StateKeeper) -> None:
    """The rest of the epoch's groups; `progress` tells where it begins and is brought up to date."""
    options = training.options
    for module in training.modules.values():
        module.train()
    for group in training.groups(epoch)[progress.n_groups :]:
        step = progress.n_steps + 1
        rate = training.learning_rate(epoch, step)
        for optimizer in training.optimizers.values():
            for parameters in optimizer.param_groups:
                parameters["lr"] = rate * parameters["factor"]
        sums, fault = training.run(group, epoch)
        progress.n_groups += 1
        progress.n_steps += group.steps
        if fault:
            progress.n_skipped += 1
            progress.n_skipped_in_a_row += 1
            _require_few_skipped(progress.n_skipped_in_a_row, fault, epoch, step, options)
        else:
            progress.n_skipped_in_a_row = 0
            for name, value in sums.items():
                progress.sums[name] = progress.sums.get(name, 0.0) + value
        keeper.save_if_due(progress)


def _require_few_skipped(n: int, fault: str, epoch: int, step: int, options: TrainingOptions) -> None:
    log.warning("%s: %s at epoch %d, step %d; the step was left out", options.what, fault, epoch, step)
    if n > options.max_skipped_steps:
        again = f" and {n - 1} steps in a row had been left out before" if n > 1 else ""
        raise TrainingDivergedError(
            f"{options.what}: {fault} at epoch {epoch}, step {step}{again}; it must be finite: lower the learning rate"
            + ("" if options.precision == "fp32" else ", or train in fp32")
        )


def _record(training: Training, epoch: int, progress: _Progress) -> EpochRecord:
    options = training.options
    for module in training.modules.values():
        module.eval()
    held_out = training.held_out()
    for name, value in (held_out or {}).items():
        if not math.isfinite(value):
            raise TrainingDivergedError(
                f"{options.what}: the held-out {name} is {value} after epoch {epoch}; it must be finite: lower the "
                "learning rate"
            )
    best_before = min((r.held_out["loss"] for r in progress.records if r.is_best and r.held_out), default=math.inf)
    record = EpochRecord(
        epoch=epoch,
        n_steps=progress.n_steps,
        n_skipped_steps=progress.n_skipped,
        learning_rate=training.learning_rate(epoch, max(1, progress.n_steps)),
        train=training.means(progress.sums),
        held_out=held_out,
        is_best=held_out is not None and held_out["loss"] < best_before - options.min_improvement,
        is_saved=False,
    )
    is_last = is_over([*progress.records, record], options)
    return replace(record, is_saved=record.is_best or is_last or epoch % options.save_every_epochs == 0)


def _with_final_marks(records: Sequence[EpochRecord], options: TrainingOptions) -> list[EpochRecord]:
    best = max((record.epoch for record in records if record.is_best), default=None)
    return [
        replace(
            record,
            is_best=record.epoch == best,
            is_saved=record.epoch in {best, len(records)} or record.epoch % options.save_every_epochs == 0,
        )
        for record in records
    ]


class _StateKeeper:
    """Stores states: after so many steps, or so rarely that it costs nearly nothing."""

    def __init__(self, training: Training, folder: Path, belongs_to: str) -> None:
        self.training, self.folder, self.belongs_to = training, folder, belongs_to
        self.saved_at, self.cost, self.saved_steps = time.monotonic(), 0.0, 0

    def save_if_due(self, progress: _Progress) -> None:
        every = self.training.options.state_every_steps
        if every:
            is_due = progress.n_steps % every == 0 and progress.n_steps > self.saved_steps
        else:
            is_due = time.monotonic() - self.saved_at > max(STATE_SECONDS, self.cost / STATE_SHARE)
        if is_due:
            self.save(progress)

    def save(self, progress: _Progress) -> None:
        begin = time.monotonic()
        progress.stepper = self.training.stepper.state()
        modules, optimizers = self.training.modules, self.training.optimizers
        save_training_state(self.folder, modules, optimizers, asdict(progress), self.belongs_to)
        self.saved_at, self.saved_steps = time.monotonic(), progress.n_steps
        self.cost = self.saved_at - begin

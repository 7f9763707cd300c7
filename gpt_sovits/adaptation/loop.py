"""The epochs of both fine-tunings: learning curve, early stopping, and resuming after an interruption.

The loop is the same for both models. A `Training` has its batches, losses and steps. A state is stored after every
epoch and from time to time inside one. A run that is interrupted anywhere and started again ends with the same bits as
an undisturbed one, on a CPU with the same number of threads.
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
from gpt_sovits.adaptation.data_parallel import DataParallel
from gpt_sovits.adaptation.filters import DroppedClip
from gpt_sovits.adaptation.options import TrainingOptions
from gpt_sovits.adaptation.precision import Stepper
from gpt_sovits.adaptation.state import load_training_state, save_training_state, stored_progress
from gpt_sovits.errors import GptSovitsError

STATE_SECONDS = 60.0  # between states inside an epoch, unless a number of steps is set
STATE_SHARE = 0.02  # largest share of the time that may be spent on states

log = logging.getLogger(__name__)


class TrainingDivergedError(GptSovitsError, RuntimeError):
    """The loss is NaN or infinite, so that more training would only damage the weights."""


@dataclass(frozen=True)
class EpochRecord:
    """One row of the learning curve. Each model names its own losses.

    Attributes:
        epoch: counted from 1.
        n_steps: optimiser steps since the beginning.
        n_skipped_steps: steps of this epoch that were skipped because a loss or gradient was not finite.
        learning_rate: rate of the epoch's last step, before any module's factor.
        train: mean losses over the epoch's steps that were not skipped, None where all were.
        held_out: mean losses over the held-out clips, None without such clips. Its "loss" decides which epoch is best.
        is_best: whether no epoch before was better. In the final list, whether it is the best of all.
        is_saved: whether a checkpoint is kept: every save_every_epochs, and for the last epoch and the best one.
    """

    epoch: int
    n_steps: int
    n_skipped_steps: int
    learning_rate: float
    train: dict[str, float | None]
    held_out: dict[str, float] | None
    is_best: bool
    is_saved: bool

    def row(self, held_out_names: Sequence[str]) -> dict[str, Any]:
        """Return one flat row, with train_NAME and held_out_NAME for every loss."""
        values = {name: value for name, value in asdict(self).items() if name not in {"train", "held_out"}}
        best, saved = values.pop("is_best"), values.pop("is_saved")
        values |= {f"train_{name}": value for name, value in self.train.items()}
        values |= {f"held_out_{name}": (self.held_out or {}).get(name) for name in held_out_names}
        return values | {"is_best": best, "is_saved": saved}


@dataclass(frozen=True)
class Adaptation:
    """The result of a fine-tuning beside its checkpoints.

    Attributes:
        records: the learning curve, one record per epoch.
        dropped: clips that were not used.
        held_out_names: names of the held-out losses.
        stopped_early: whether training ended before n_epochs.
    """

    records: list[EpochRecord]
    dropped: list[DroppedClip]
    held_out_names: tuple[str, ...]
    stopped_early: bool

    @property
    def best_epoch(self) -> int | None:
        """Return the epoch of lowest held-out loss, None without held-out clips."""
        return next((record.epoch for record in self.records if record.is_best), None)

    def rows(self) -> list[dict[str, Any]]:
        """Return the learning curve as flat rows."""
        return [record.row(self.held_out_names) for record in self.records]


OnEpoch = Callable[[int, nn.Module, EpochRecord], None]


class Training(Protocol):
    """What the loop needs of a model's training.

    Attributes:
        options: the settings.
        modules: the networks, by name. The first is the model that is saved.
        optimizers: the optimisers, by name. Their parameter groups hold a "factor" on the learning rate.
        stepper: the backward passes and steps.
        processes: those that share the training.
        held_out_names: names of the held-out losses.
        has_held_out: whether there are held-out clips.
    """

    options: TrainingOptions
    modules: Mapping[str, nn.Module]
    optimizers: Mapping[str, Optimizer]
    stepper: Stepper
    processes: DataParallel
    held_out_names: tuple[str, ...]
    has_held_out: bool

    def step_groups(self, epoch: int) -> list[StepGroup]:
        """Return the groups of batches of an epoch, counted from 1."""

    def learning_rate(self, epoch: int, step: int) -> float:
        """Return the learning rate of a step. Epochs and steps count from 1."""

    def train_group(self, group: StepGroup, epoch: int) -> tuple[dict[str, float], str]:
        """Train on the batches of a group.

        Returns:
            (sums for the learning curve, what was not finite or ""). A network whose gradient was not finite has not
            changed.
        """

    def mean_losses(self, sums: Mapping[str, float]) -> dict[str, float | None]:
        """Return the mean training losses of an epoch from its sums."""

    def held_out_losses(self) -> dict[str, float] | None:
        """Return the mean losses over the held-out clips, None without such clips."""


@dataclass
class _Progress:
    """The progress of a run. With weights, optimisers and random states it is all that resuming needs."""

    records: list[EpochRecord] = field(default_factory=list)
    n_groups: int = 0  # groups of the current epoch that are done
    n_steps: int = 0
    n_skipped: int = 0  # in the current epoch
    n_skipped_in_a_row: int = 0
    sums: dict[str, float] = field(default_factory=dict)  # in the current epoch
    stepper: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_stored(cls, stored: dict[str, Any] | None) -> _Progress:
        if stored is None:
            return cls()
        return cls(**stored | {"records": [EpochRecord(**record) for record in stored["records"]]})


def run_epochs(training: Training, resume_folder: Path, fingerprint: str, on_epoch: OnEpoch) -> list[EpochRecord]:
    """Train to the end, from the state in the resume folder where there is one.

    Args:
        training: what is trained.
        resume_folder: folder of the state.
        fingerprint: names the inputs (state.fingerprint). A state of other inputs is not used.
        on_epoch: called as on_epoch(epoch, model, record) after each epoch, counted from 1, before the epoch's state is
            stored. Of several processes only the first calls it. After an interruption it may be called a second time
            for an epoch, with the same weights. What it writes must survive an interruption, so keep it beside
            `resume_folder` until the end.

    Returns:
        One record per epoch, including those before an interruption. `is_best` and `is_saved` of an epoch may have
        become false since on_epoch was called, because a better epoch came later.

    Raises:
        TrainingDivergedError: more than options.max_skipped_steps steps in a row were not finite.
        ValueError: the recipe would never take a step.
    """
    options, section = training.options, training.options.section
    _require_steps(training)
    # Resume where the stored state ends, or start from the beginning
    stored = load_training_state(resume_folder, training.modules, training.optimizers, fingerprint)
    progress = _Progress.from_stored(stored)
    training.stepper.load(progress.stepper)
    training.processes.require_same((fingerprint, progress.n_steps, len(progress.records)), section=section)
    keeper = _StateKeeper(training, resume_folder, fingerprint)
    if options.patience_epochs and not training.has_held_out:
        log.warning("%s: there are no held-out clips, so training cannot end early", section)
    if progress.n_steps:
        log.info("%s resumes after epoch %d, step %d", section, len(progress.records), progress.n_steps)
    model = next(iter(training.modules.values()))
    while not is_over(progress.records, options):
        epoch = len(progress.records) + 1
        _run_epoch(training, epoch, progress, keeper)
        record = _record(training, epoch, progress)
        if training.processes.is_first:
            on_epoch(epoch, model, record)
        progress = _Progress(
            [*progress.records, record], n_steps=progress.n_steps, n_skipped_in_a_row=progress.n_skipped_in_a_row
        )
        keeper.save(progress)
    return _with_final_marks(progress.records, options)


def saved_epochs(resume_folder: Path) -> list[int]:
    """Return the epochs whose checkpoints the state in a folder counts on, [] without a state.

    Those are the epochs that were marked as saved when on_epoch was called. Training goes on after them and never calls
    it for them again.
    """
    records = stored_progress(resume_folder).get("records", ())
    return [record["epoch"] for record in records if record["is_saved"]]


def _require_steps(training: Training) -> None:
    options, groups = training.options, training.step_groups(1)
    if not any(group.has_step for group in groups):
        n = sum(len(group.batches) for group in groups)
        raise ValueError(
            f"{options.section}: the recipe {options.recipe} takes no step in an epoch of {n} batches, so nothing "
            f"would be learned; batch_size is {options.batch_size}, set a smaller one"
        )


def is_over(records: Sequence[EpochRecord], options: TrainingOptions) -> bool:
    """Return whether all epochs are done or training stops early."""
    return len(records) >= options.n_epochs or stops_early(records, options)


def stops_early(records: Sequence[EpochRecord], options: TrainingOptions) -> bool:
    """Return whether the held-out loss has not improved for options.patience_epochs."""
    best = max((record.epoch for record in records if record.is_best), default=None)
    return bool(options.patience_epochs and best is not None and len(records) - best >= options.patience_epochs)


def _run_epoch(training: Training, epoch: int, progress: _Progress, keeper: _StateKeeper) -> None:
    """Train on the groups of the epoch that are left, and update `progress`."""
    options = training.options
    for module in training.modules.values():
        module.train()
    for group in training.step_groups(epoch)[progress.n_groups :]:
        step = progress.n_steps + 1
        rate = training.learning_rate(epoch, step)
        for optimizer in training.optimizers.values():
            for parameters in optimizer.param_groups:
                parameters["lr"] = rate * parameters["factor"]
        sums, fault = training.train_group(group, epoch)
        progress.n_groups += 1
        progress.n_steps += group.has_step
        if fault:
            progress.n_skipped += 1
            progress.n_skipped_in_a_row += 1
            _check_skipped_steps(progress.n_skipped_in_a_row, fault, epoch, step, options)
        else:
            progress.n_skipped_in_a_row = 0
            for name, value in sums.items():
                progress.sums[name] = progress.sums.get(name, 0.0) + value
        keeper.save_if_due(progress)


def _check_skipped_steps(n: int, fault: str, epoch: int, step: int, options: TrainingOptions) -> None:
    log.warning("%s: %s at epoch %d, step %d; the step was skipped", options.section, fault, epoch, step)
    if n > options.max_skipped_steps:
        again = f", after {n - 1} skipped steps in a row" if n > 1 else ""
        raise TrainingDivergedError(
            f"{options.section}: {fault} at epoch {epoch}, step {step}{again}; it must be finite: lower the learning "
            "rate" + ("" if options.precision == "fp32" else ", or train in fp32")
        )


def _record(training: Training, epoch: int, progress: _Progress) -> EpochRecord:
    options = training.options
    for module in training.modules.values():
        module.eval()
    held_out = training.held_out_losses()
    for name, value in (held_out or {}).items():
        if not math.isfinite(value):
            raise TrainingDivergedError(
                f"{options.section}: the held-out {name} is {value} after epoch {epoch}; it must be finite: lower the "
                "learning rate"
            )
    best_before = min((r.held_out["loss"] for r in progress.records if r.is_best and r.held_out), default=math.inf)
    record = EpochRecord(
        epoch=epoch,
        n_steps=progress.n_steps,
        n_skipped_steps=progress.n_skipped,
        learning_rate=training.learning_rate(epoch, max(1, progress.n_steps)),
        train=training.mean_losses(progress.sums),
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
    """Stores states inside an epoch: every state_every_steps steps, or so rarely that it costs little time."""

    def __init__(self, training: Training, folder: Path, fingerprint: str) -> None:
        self.training, self.folder, self.fingerprint = training, folder, fingerprint
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
        if not self.training.processes.is_first:
            return
        begin = time.monotonic()
        progress.stepper = self.training.stepper.state()
        modules, optimizers = self.training.modules, self.training.optimizers
        save_training_state(self.folder, modules, optimizers, asdict(progress), self.fingerprint)
        self.saved_at, self.saved_steps = time.monotonic(), progress.n_steps
        self.cost = self.saved_at - begin

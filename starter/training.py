"""The training loop of all stages: batches drawn by the number of their step, a state on disk, a curve.

The batch of step n depends on the stage and n alone, and a thread prepares it ahead. A stopped stage resumes from its
last state and ends at the same weights.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gpt_sovits.adaptation.state import fingerprint, load_training_state, save_training_state
from gpt_sovits.weights.checkpoint import save_checkpoint
from starter.settings import TrainingSettings

N_AHEAD = 3  # batches prepared before their step
STATE_SECONDS = 60.0

Losses = dict[str, float]


def learning_rate(settings: TrainingSettings, step: int) -> float:
    """Return the rate of a step, counted from 0: warm-up, plateau, then half a cosine over the last `decay_share`."""
    warm = min(1.0, (step + 1) / max(1, settings.warmup_steps))
    left = (settings.n_steps - step) / max(1.0, settings.decay_share * settings.n_steps)
    fall = 0.5 - 0.5 * math.cos(math.pi * min(1.0, left))
    return settings.learning_rate * warm * (0.02 + 0.98 * fall)


class Average:
    """The moving average of a network's weights. It is the result of a stage: it is better than the last step."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.module, self.decay = copy.deepcopy(module).requires_grad_(False).eval(), decay

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Move the average towards the weights after `step`. Early steps count less, or the random start would stay."""
        decay = min(self.decay, (step + 1) / (step + 10))
        for averaged, current in zip(self.module.state_dict().values(), module.state_dict().values(), strict=True):
            if averaged.is_floating_point():
                averaged.lerp_(current, 1 - decay)
            else:
                averaged.copy_(current)


@dataclass(frozen=True)
class Task:
    """Everything that one stage gives to the training loop.

    Attributes:
        name: The stage.
        settings: Its section of params.yaml.
        modules: Every network with a state, averages included. They hold the result.
        optimizers: The optimisers. A parameter group may have a `factor` of the learning rate.
        make_batch: Returns the batch of a step.
        learn: Makes one step of all optimisers from a batch and its step, and returns the losses.
        evaluate: Called every `settings.evaluate_every` steps and at the end, with the number of steps made.
        folder: Gets state/ and curve.jsonl.
        inputs: JSON-able identity of all that the stage reads, see hash_inputs. A stored state of other inputs or
            settings is not used.
    """

    name: str
    settings: TrainingSettings
    modules: Mapping[str, nn.Module]
    optimizers: Mapping[str, Optimizer]
    make_batch: Callable[[int], Any]
    learn: Callable[[Any, int], Losses]
    evaluate: Callable[[int], Losses]
    folder: Path
    inputs: Mapping[str, Any]


def hash_inputs(*paths: Path) -> dict[str, str]:
    """Return the SHA-256 of every file that a stage reads, by its last two names.

    Args:
        paths: Files, and folders of which all files count.

    Raises:
        FileNotFoundError: A path does not exist.
    """
    hashes = {}
    for path in paths:
        for one in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if not one.is_dir():
                with one.open("rb") as file:
                    hashes["/".join(one.parts[-2:])] = file_digest(file, "sha256").hexdigest()
    return hashes


def train(task: Task) -> None:
    """Train for `settings.n_steps`. Afterwards the modules hold the result and folder/curve.jsonl the losses.

    Raises:
        SystemExit: A loss is not finite.
    """
    settings = task.settings
    identity = fingerprint({"stage": task.name, "settings": settings.model_dump(), "inputs": dict(task.inputs)}, {})
    task.folder.mkdir(parents=True, exist_ok=True)
    progress = load_training_state(task.folder / "state", task.modules, task.optimizers, identity)
    progress = progress or {"step": 0, "rows": []}
    first, rows = progress["step"], progress["rows"]
    print(f"{task.name}: {'continues at' if first else 'starts with'} step {first} of {settings.n_steps}", flush=True)
    began = saved = time.monotonic()
    losses_since_row: list[Losses] = []
    for step, batch in _batches_ahead(task.make_batch, first, settings.n_steps):
        rate = _set_rate(task, step)
        losses_since_row.append(_checked(task.learn(batch, step), task.name, step))
        n_done = step + 1
        if n_done % settings.evaluate_every == 0 or n_done == settings.n_steps:
            seconds = (time.monotonic() - began) / (n_done - first)
            row = {"step": n_done, "learning_rate": rate, "seconds_a_step": seconds}
            rows.append(row | _means(losses_since_row) | task.evaluate(n_done))
            losses_since_row = []
            print(f"{task.name}: " + "  ".join(f"{key} {_short(value)}" for key, value in rows[-1].items()), flush=True)
        if time.monotonic() - saved > STATE_SECONDS or n_done == settings.n_steps:
            state = {"step": n_done, "rows": rows}
            save_training_state(task.folder / "state", task.modules, task.optimizers, state, identity)
            saved = time.monotonic()
    (task.folder / "curve.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    if settings.n_steps > first:
        log_to_mlflow(task.name, settings, rows)


def to_half_precision(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the floating-point tensors of a state to float16.

    Raises:
        ValueError: A number exceeds the range of float16.
    """
    small = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    if wrong := [name for name, tensor in small.items() if not tensor.isfinite().all()]:
        raise ValueError(f"{wrong} have numbers that float16 cannot hold (at most 65504); train their stage again")
    return small


def save_network(folder: Path, kind: str, config: Mapping[str, Any], state: Mapping[str, Tensor]) -> None:
    """Save what a stage learned, in the float16 in which the base is shipped. See save_checkpoint for the arguments.

    The next stages begin with these numbers. So they go on the same way from a copy in the repository.
    """
    save_checkpoint(folder, kind, config, to_half_precision(state))


def thread_pool(n_threads: int) -> ThreadPoolExecutor:
    """Return threads that learn from a part of a batch each, which is faster than torch's own threads on short clips.

    The sum of two gradients is the same in both orders, so two threads give the same bits every time. More would not.
    Dropout has to be off, and autocast without its cache, because threads share random numbers and the cache.
    """
    return ThreadPoolExecutor(n_threads, initializer=torch.set_num_threads, initargs=(1,))


def autocast(precision: str) -> torch.autocast:
    """Return the context in which the threads of thread_pool compute, "bf16" or "fp32"."""
    return torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16", cache_enabled=False)


def optimizer_step(optimizer: Optimizer, loss: Tensor, largest_norm: float) -> float:
    """Make one optimiser step with the gradient clipped to `largest_norm`, and return the norm before clipping."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    return clipped_step(optimizer, largest_norm)


def clipped_step(optimizer: Optimizer, largest_norm: float) -> float:
    """Make one optimiser step with the gradient that is there. See optimizer_step."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    norm = nn.utils.clip_grad_norm_(parameters, largest_norm)
    optimizer.step()
    return float(norm)


def log_to_mlflow(name: str, settings: TrainingSettings, rows: Sequence[Mapping[str, float]]) -> None:
    """Log the settings and the curve as a run of the MLflow experiment "starter".

    Args:
        name: The name of the run.
        settings: Logged as parameters.
        rows: The rows of the curve. Their key `step` is the step of the others.
    """
    import mlflow  # takes seconds

    mlflow.set_experiment("starter")
    with mlflow.start_run(run_name=name):
        mlflow.log_params({key: str(value)[:500] for key, value in settings.model_dump().items()})
        for row in rows:
            mlflow.log_metrics({key: value for key, value in row.items() if key != "step"}, step=int(row["step"]))


def _batches_ahead(make_batch: Callable[[int], Any], first: int, n_steps: int) -> Iterator[tuple[int, Any]]:
    """Yield (step, batch) of the steps from `first` on, with batches prepared in a thread."""
    with ThreadPoolExecutor(1) as pool:
        waiting = [pool.submit(make_batch, step) for step in range(first, min(first + N_AHEAD, n_steps))]
        for step in range(first, n_steps):
            batch = waiting.pop(0).result()
            if step + N_AHEAD < n_steps:
                waiting.append(pool.submit(make_batch, step + N_AHEAD))
            yield step, batch


def _set_rate(task: Task, step: int) -> float:
    rate = learning_rate(task.settings, step)
    for optimizer in task.optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = rate * group.get("factor", 1.0)
    return rate


def _checked(losses: Losses, name: str, step: int) -> Losses:
    for key, value in losses.items():
        if not math.isfinite(value):
            raise SystemExit(f"{name}: {key} is {value} at step {step}; lower {name}.learning_rate in params.yaml")
    return losses


def _means(losses: Sequence[Losses]) -> Losses:
    sums: Losses = {}
    for one in losses:
        for key, value in one.items():
            sums[key] = sums.get(key, 0.0) + value
    return {f"train_{key}": value / len(losses) for key, value in sums.items()}


def _short(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.4g}"

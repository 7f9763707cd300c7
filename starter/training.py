"""One training loop for all stages: batches drawn by their step's number, a state on disk, a curve.

The batch of step n depends on (stage, n) alone and is made ahead in a thread. A stage that is stopped goes on from its
last state to the same weights.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gpt_sovits.adaptation.state import fingerprint, load_training_state, save_training_state
from starter.settings import TrainingSettings

N_AHEAD = 3  # batches that wait
STATE_SECONDS = 60.0

Losses = dict[str, float]


def learning_rate(settings: TrainingSettings, step: int) -> float:
    """Warm-up, a plateau, and a fall to nothing as a half cosine over the last `decay_share`. step counts from 0."""
    warm = min(1.0, (step + 1) / max(1, settings.warmup_steps))
    left = (settings.n_steps - step) / max(1.0, settings.decay_share * settings.n_steps)
    fall = 0.5 - 0.5 * math.cos(math.pi * min(1.0, left))
    return settings.learning_rate * warm * (0.02 + 0.98 * fall)


class Average:
    """A moving average of a network's weights: what is kept in the end, for it is better than the last step."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.module, self.decay = copy.deepcopy(module).requires_grad_(False).eval(), decay

    @torch.no_grad()
    def follow(self, module: nn.Module, step: int) -> None:
        """Early on the average forgets faster, or it would remember the random start."""
        decay = min(self.decay, (step + 1) / (step + 10))
        for mine, other in zip(self.module.state_dict().values(), module.state_dict().values(), strict=True):
            if mine.is_floating_point():
                mine.lerp_(other, 1 - decay)
            else:
                mine.copy_(other)


def train(
    name: str,
    settings: TrainingSettings,
    modules: Mapping[str, nn.Module],
    optimizers: Mapping[str, Optimizer],
    make_batch: Callable[[int], Any],
    learn: Callable[[Any, int], Losses],
    evaluate: Callable[[int], Losses],
    folder: Path,
    belongs_to: Mapping[str, Any],
) -> None:
    """Train for settings.n_steps; the modules hold the result, folder/curve.jsonl the losses.

    modules: everything that has a state, averages included; learn(batch, step) makes one step of all optimisers
    evaluate(n): what is judged every settings.evaluate_every steps and at the end, after n of them
    belongs_to: JSON-able names of the inputs; a stored state of other inputs or settings is not used
    """
    identity = fingerprint({"stage": name, "settings": settings.model_dump(), "inputs": dict(belongs_to)}, {})
    folder.mkdir(parents=True, exist_ok=True)
    progress = load_training_state(folder / "state", modules, optimizers, identity) or {"step": 0, "rows": []}
    step, rows = progress["step"], progress["rows"]
    print(f"{name}: {'continues at' if step else 'starts with'} step {step} of {settings.n_steps}", flush=True)
    began, first, saved = time.monotonic(), step, time.monotonic()
    sums: dict[str, float] = {}
    n_summed = 0
    with ThreadPoolExecutor(1) as pool:
        waiting = [pool.submit(make_batch, s) for s in range(step, min(step + N_AHEAD, settings.n_steps))]
        while step < settings.n_steps:
            batch = waiting.pop(0).result()
            if step + N_AHEAD < settings.n_steps:
                waiting.append(pool.submit(make_batch, step + N_AHEAD))
            rate = learning_rate(settings, step)
            for optimizer in optimizers.values():
                for group in optimizer.param_groups:
                    group["lr"] = rate * group.get("factor", 1.0)
            losses = learn(batch, step)
            for key, value in losses.items():
                if not math.isfinite(value):
                    raise SystemExit(f"{name}: {key} is {value} at step {step}; lower learning_rate in params.yaml")
                sums[key] = sums.get(key, 0.0) + value
            n_summed += 1
            step += 1
            if step % settings.evaluate_every == 0 or step == settings.n_steps:
                row = {
                    "step": step,
                    "learning_rate": rate,
                    "seconds_a_step": (time.monotonic() - began) / (step - first),
                }
                row |= {f"train_{key}": value / n_summed for key, value in sums.items()} | evaluate(step)
                rows.append(row)
                sums, n_summed = {}, 0
                print(f"{name}: " + "  ".join(f"{key} {_short(value)}" for key, value in row.items()), flush=True)
            if time.monotonic() - saved > STATE_SECONDS or step == settings.n_steps:
                save_training_state(folder / "state", modules, optimizers, {"step": step, "rows": rows}, identity)
                saved = time.monotonic()
    (folder / "curve.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    if step > first:
        log_to_mlflow(name, settings, rows)


def log_to_mlflow(name: str, settings: TrainingSettings, rows: Sequence[Mapping[str, float]]) -> None:
    """The settings and the curve as a run `name` of the experiment "starter", beside those of the voices."""
    import mlflow  # takes seconds

    mlflow.set_experiment("starter")
    with mlflow.start_run(run_name=name):
        mlflow.log_params({key: str(value)[:500] for key, value in settings.model_dump().items()})
        for row in rows:
            mlflow.log_metrics({key: value for key, value in row.items() if key != "step"}, step=int(row["step"]))


def _short(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.4g}"


def step_of(optimizer: Optimizer, loss: Tensor, largest_norm: float) -> float:
    """One optimiser step; the gradient's norm before it was limited to largest_norm."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    norm = nn.utils.clip_grad_norm_(parameters, largest_norm)
    optimizer.step()
    return float(norm)

"""The state of a training on disk, from which it resumes to the same bits.

The state is one safetensors file: weights, pending gradients, optimiser tensors and random states as tensors, the rest
as JSON in its metadata. It is replaced atomically, so that a process that is killed at any instant leaves the previous
state or the new one.
"""

import hashlib
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

STATE_FILE = "training_state.safetensors"
STATE_FORMAT = 2  # part of every fingerprint, so that a state of another format is not used

log = logging.getLogger(__name__)


def fingerprint(values: Any, tensors: Mapping[str, Tensor]) -> str:
    """Return the sha256 over a training's inputs, which says what a state belongs to.

    Args:
        values: JSON-ready values, such as options, configs and what names the code that trains.
        tensors: base weights and features, by name.
    """
    digest = hashlib.sha256(json.dumps([STATE_FORMAT, torch.__version__, values], sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def save_training_state(
    folder: Path,
    modules: Mapping[str, nn.Module],
    optimizers: Mapping[str, Optimizer],
    progress: Mapping[str, Any],
    fingerprint: str,
) -> None:
    """Replace the state in a folder.

    Args:
        folder: the folder, which is made if it does not exist.
        modules: the networks, by name.
        optimizers: the optimisers, by name.
        progress: JSON-ready values for the caller, such as epoch, step and records.
        fingerprint: what the state belongs to. `load_training_state` accepts no other.
    """
    tensors = {
        f"module/{m}/{key}": value for m, module in modules.items() for key, value in module.state_dict().items()
    }
    for name, module in modules.items():
        pending = {key: p.grad for key, p in module.named_parameters() if p.grad is not None}
        tensors |= {f"gradient/{name}/{key}": gradient for key, gradient in pending.items()}
    plain_optimizers = {}
    for name, optimizer in optimizers.items():
        plain, optimizer_tensors = _split_optimizer(optimizer.state_dict())
        plain_optimizers[name] = plain
        tensors |= {f"optimizer/{name}/{key}": value for key, value in optimizer_tensors.items()}
    tensors["random/cpu"] = torch.get_rng_state()
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        tensors["random/cuda"] = torch.cuda.get_rng_state()
    metadata = {
        "fingerprint": fingerprint,
        "progress": json.dumps(dict(progress)),
        "optimizers": json.dumps(plain_optimizers),
    }
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f"{STATE_FILE}.{os.getpid()}.tmp"
    # Copies, because safetensors refuses tensors that share memory and a state must not change while it is written
    save_file({k: v.detach().to("cpu", copy=True).contiguous() for k, v in tensors.items()}, temporary, metadata)
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(folder / STATE_FILE)


def load_training_state(
    folder: Path, modules: Mapping[str, nn.Module], optimizers: Mapping[str, Optimizer], fingerprint: str
) -> dict[str, Any] | None:
    """Restore modules, gradients, optimisers and random states from the state in a folder.

    A state of other inputs (its fingerprint differs) or one that cannot be read is removed with a line in the log.
    Nothing of it is used.

    Args:
        folder: the folder.
        modules: the networks, by name, changed in place.
        optimizers: the optimisers, by name, changed in place.
        fingerprint: what the state must belong to.

    Returns:
        The stored progress, None without a usable state.
    """
    path = folder / STATE_FILE
    for leftover in folder.glob(f"{STATE_FILE}.*.tmp"):
        leftover.unlink(missing_ok=True)
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("fingerprint") != fingerprint:
                log.warning("%s belongs to other inputs or options; it is removed and training starts over", path.name)
                path.unlink()
                return None
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - safe_open is not a dict
    except (SafetensorError, OSError) as error:
        log.warning("%s cannot be read (%s); it is removed and training starts over", path.name, error)
        path.unlink(missing_ok=True)
        return None
    for name, module in modules.items():
        module.load_state_dict(_select_prefix(tensors, f"module/{name}/"), strict=True)
        gradients = _select_prefix(tensors, f"gradient/{name}/")
        for key, parameter in module.named_parameters():
            parameter.grad = gradients[key].to(parameter.device) if key in gradients else None
    plain_optimizers = json.loads(metadata["optimizers"])
    for name, optimizer in optimizers.items():
        own_tensors = _select_prefix(tensors, f"optimizer/{name}/")
        optimizer.load_state_dict(_join_optimizer(plain_optimizers[name], own_tensors))
    torch.set_rng_state(tensors["random/cpu"])
    if "random/cuda" in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors["random/cuda"])
    return json.loads(metadata["progress"])


def stored_progress(folder: Path) -> dict[str, Any]:
    """Return the progress in a folder's state, whatever it belongs to. {} without a state that can be read."""
    try:
        with safe_open(folder / STATE_FILE, framework="pt") as file:
            return json.loads((file.metadata() or {}).get("progress", "{}"))
    except (SafetensorError, OSError):
        return {}


def remove_training_state(folder: Path) -> None:
    """Remove the state from a folder, if there is one. The folder stays."""
    for path in folder.glob(f"{STATE_FILE}*"):
        path.unlink(missing_ok=True)


def _select_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _split_optimizer(state: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Split an optimiser's state_dict into JSON-ready values and tensors named `<parameter index>/<entry>`."""
    tensors: dict[str, Tensor] = {}
    plain: dict[str, dict[str, Any]] = {}
    for index, entries in state["state"].items():
        plain[str(index)] = {key: value for key, value in entries.items() if not isinstance(value, Tensor)}
        tensors |= {f"{index}/{key}": value for key, value in entries.items() if isinstance(value, Tensor)}
    return {"state": plain, "param_groups": state["param_groups"]}, tensors


def _join_optimizer(plain: dict[str, Any], tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    state = {int(index): dict(entries) for index, entries in plain["state"].items()}
    for name, value in tensors.items():
        index, key = name.split("/", 1)
        state[int(index)][key] = value
    groups = [
        # JSON has no tuples, so betas come back as lists, while `params` has always been a list
        {key: tuple(v) if isinstance(v, list) and key != "params" else v for key, v in group.items()}
        for group in plain["param_groups"]
    ]
    return {"state": state, "param_groups": groups}

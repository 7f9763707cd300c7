"""Determinism, so that the same inputs give the same bits: derived seeds, and a context with fixed random states."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def deterministic(seed: int, n_threads: int, device: str = "cpu") -> Iterator[None]:
    """Run the body with seeded random states, a fixed thread count and deterministic algorithms.

    All three are restored afterwards. The same inputs give the same bits on the same machine with the same number of
    CPU threads. On a GPU some operations have no deterministic form, and torch warns instead of failing.

    Args:
        seed: Seed of torch's random states.
        n_threads: CPU threads of torch, at least 1.
        device: The device of the body, like "cpu" or "cuda:0".

    Raises:
        ValueError: `n_threads` is below 1, or torch does not find the device.
    """
    require_device(device)
    if n_threads < 1:
        raise ValueError(f"n_threads must be at least 1, not {n_threads}")
    if device.startswith("cuda"):
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is not deterministic without it
    before = (
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.utils.deterministic.fill_uninitialized_memory,
    )
    with torch.random.fork_rng(devices=[torch.device(device)] if device.startswith("cuda") else []):
        torch.manual_seed(seed)
        torch.set_num_threads(n_threads)
        torch.use_deterministic_algorithms(True, warn_only=device.startswith("cuda"))
        torch.utils.deterministic.fill_uninitialized_memory = False  # it costs time and only helps to find bugs
        try:
            yield
        finally:
            torch.set_num_threads(before[0])
            torch.use_deterministic_algorithms(before[1], warn_only=before[2])
            torch.utils.deterministic.fill_uninitialized_memory = before[3]


def require_device(device: str, setting: str = "device") -> None:
    """Check that torch finds a device.

    Args:
        device: The device, like "cpu" or "cuda:0".
        setting: Name of the setting that asks for it, for the message.

    Raises:
        ValueError: It is a GPU, and torch finds none.
    """
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(
            f"{setting} is {device}, and torch finds no GPU here; set {setting} to cpu, or use a machine with a GPU "
            "and a torch that was built for it"
        )


def derive_seed(*parts: int | str) -> int:
    """Derive a seed in [0, 2**63) from any parts. It is the same in every process (unlike `hash`)."""
    digest = hashlib.sha256(json.dumps(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1

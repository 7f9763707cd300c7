"""Work that the workers of a cluster do in tests. They import it from here."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path


def double(number: int) -> int:
    return 2 * number


def worker_of(_: int) -> tuple[int, str, str]:
    """Return the process, its folder and its number of threads."""
    return os.getpid(), os.getcwd(), os.environ.get("OMP_NUM_THREADS", "")


@lru_cache(maxsize=1)
def model() -> list[int]:
    """Return how often this process has loaded its model, as a list that counts."""
    return [0]


def use_model(_: int) -> tuple[int, int]:
    """Load the model once per process, and return the process and the number of items it has had."""
    model()[0] += 1
    return os.getpid(), model()[0]


def read_clip(path: Path) -> str:
    return path.read_text()


def fail(path: Path) -> None:
    raise KeyError(path.name)

"""What the machine can do at most: bytes a second out of memory, operations a second in matrix products."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

BANDWIDTH_BYTES = 1 << 28  # far beyond any cache
MATRIX_SIZE = {"cpu": 1536, "cuda": 8192}


@dataclass(frozen=True)
class Limits:
    """bytes_per_second: reading; operations_per_second: a multiplication and an addition count as two"""

    bytes_per_second: float
    operations_per_second: float


def measure(device: str, dtype: torch.dtype, n_repeats: int = 5) -> Limits:
    """The best of several tries each: a limit is not what a busy machine happens to leave."""
    # from numpy, which asks for large pages: in torch's own memory a CPU reads only two thirds as fast
    numbers = torch.from_numpy(np.ones(BANDWIDTH_BYTES // 4, np.float32)).to(device)
    reading = min(seconds_of(numbers.sum, device, 20 * n_repeats))  # short, and a machine's neighbours read too
    n = MATRIX_SIZE[device]
    a, b = (torch.ones(n, n, device=device, dtype=dtype) for _ in range(2))
    product = min(seconds_of(lambda: a @ b, device, n_repeats))
    return Limits(BANDWIDTH_BYTES / reading, 2 * n**3 / product)


def seconds_of(work: Callable[[], object], device: str, n_repeats: int, n_warm_ups: int = 1) -> list[float]:
    """Seconds of each of n_repeats calls, after n_warm_ups that do not count."""
    times = []
    for i in range(n_warm_ups + n_repeats):
        begin = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        if i >= n_warm_ups:
            times.append(time.perf_counter() - begin)
    return times


def operations_of(work: Callable[[], object]) -> int:
    """Operations in the matrix products and convolutions of one call."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def spread(values: list[float]) -> tuple[float, float, float]:
    """(median, least, greatest)"""
    return statistics.median(values), min(values), max(values)

"""The limits of the machine: bytes per second from memory, operations per second in matrix products."""

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
    """The limits of one device and one type."""

    bytes_per_second: float  # of reading
    operations_per_second: float  # a multiplication and an addition count as two


def measure_limits(device: str, dtype: torch.dtype, n_repeats: int = 5) -> Limits:
    """Return the best of several tries, because other load on the machine only lowers a measurement.

    Args:
        device: "cpu" or "cuda".
        dtype: The type of the matrix product.
        n_repeats: The number of tries of the matrix product.
    """
    # memory of numpy, which requests large pages: from memory of torch a CPU reads only two thirds as fast
    numbers = torch.from_numpy(np.ones(BANDWIDTH_BYTES // 4, np.float32)).to(device)
    reading = min(
        time_calls(numbers.sum, device, 20 * n_repeats)
    )  # many, because they are short and other virtual machines read at the same time
    n = MATRIX_SIZE[device]
    a, b = (torch.ones(n, n, device=device, dtype=dtype) for _ in range(2))
    product = min(time_calls(lambda: a @ b, device, n_repeats))
    return Limits(BANDWIDTH_BYTES / reading, 2 * n**3 / product)


def time_calls(work: Callable[[], object], device: str, n_repeats: int, n_warm_ups: int = 1) -> list[float]:
    """Return the seconds of each of several calls.

    Args:
        work: The function to call.
        device: "cpu" or "cuda", which is synchronised after each call.
        n_repeats: The number of calls that count.
        n_warm_ups: The number of calls before them.
    """
    times = []
    for i in range(n_warm_ups + n_repeats):
        begin = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        if i >= n_warm_ups:
            times.append(time.perf_counter() - begin)
    return times


def count_operations(work: Callable[[], object]) -> int:
    """Return the number of operations in the matrix products and convolutions of one call."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def spread(values: list[float]) -> tuple[float, float, float]:
    """Return (median, least, greatest)."""
    return statistics.median(values), min(values), max(values)

"""Which sentences share a batch: those of similar length, so that little of the work goes into padding."""

from __future__ import annotations

from collections.abc import Sequence

MIN_LENGTH_RATIO = 0.5  # of the shortest to the longest row: at most half of a batch is padding


def length_buckets(lengths: Sequence[float], batch_size: int) -> list[list[int]]:
    """Return the indices of `lengths` in batches of at most `batch_size`, longest first.

    Equal lengths keep their order, so the same lengths always give the same batches.

    Raises:
        ValueError: batch_size is below 1.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, not {batch_size}")
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        last = batches[-1] if batches else []
        if last and len(last) < batch_size and lengths[index] >= MIN_LENGTH_RATIO * lengths[last[0]]:
            last.append(index)
        else:
            batches.append([index])
    return batches

"""The same function on many items, in several processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

from stages.running.outputs import die_with_parent

Map = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]


def call(work: Callable[[], Any]) -> Any:
    """work(), for a `map` over calls that are ready."""
    return work()


@contextmanager
def worker_processes(n_jobs: int) -> Iterator[Map]:
    """A `map` that spreads over `n_jobs` processes and keeps the order; with one job it is the built-in one.

    The processes start fresh (spawn: a fork would copy torch's locked threads), keep what they loaded until the block
    ends, and die with this one. joblib's loky is not used: it restarts a worker whose memory grows, and a speech
    recogniser grows by its model.
    """
    if n_jobs == 1:
        yield map
        return
    pool = ProcessPoolExecutor(n_jobs, mp_context=get_context("spawn"), initializer=die_with_parent)
    try:
        yield pool.map
    finally:
        pool.shutdown(cancel_futures=True)  # after an error nobody wants the rest

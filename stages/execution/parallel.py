"""The same function on many items, in several processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

from stages.execution.processes import die_with_parent

Map = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]


def call(work: Callable[[], Any]) -> Any:
    """Call `work`. A `map` with this function runs calls that are ready to be made."""
    return work()


@contextmanager
def worker_processes(n_jobs: int) -> Iterator[Map]:
    """Yield a `map` that spreads over `n_jobs` processes and keeps the order. With one job it is the built-in `map`.

    The processes start fresh, because a fork would copy torch's locked threads. They keep what they loaded until the
    block ends, and die with this process. joblib's loky is not used: it restarts a worker whose memory grows, and the
    memory of a speech recogniser grows by the size of its model.
    """
    if n_jobs == 1:
        yield map
        return
    pool = ProcessPoolExecutor(n_jobs, mp_context=get_context("spawn"), initializer=die_with_parent)
    try:
        yield pool.map
    finally:
        pool.shutdown(cancel_futures=True)  # after an error nobody needs the remaining results

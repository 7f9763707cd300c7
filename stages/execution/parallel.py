"""The same function on many items through joblib: in processes of this machine, on a Dask cluster or on a Ray cluster.

The environment variable VOX_WORKERS says where: `local` (the default), `dask` or `ray`. The address of a cluster is in
its own variable, DASK_SCHEDULER_ADDRESS or RAY_ADDRESS. Where the work is done is not in params.yaml, because no result
depends on it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

from joblib import Parallel, delayed, parallel_config
from joblib.parallel import ParallelBackendBase

from stages.execution.processes import die_with_parent
from stages.execution.tasks import Task, result_of, use_one_thread

Map = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]

WORKERS = "VOX_WORKERS"  # environment variable
PLACES = ("local", "dask", "ray")


def call(work: Callable[[], Any]) -> Any:
    """Call `work`. A `map` with this function runs calls that are ready to be made."""
    return work()


@contextmanager
def worker_processes(n_jobs: int) -> Iterator[Map]:
    """Yield a `map` that spreads over processes and keeps the order of the items.

    The items are taken from their iterable at once and in the calling thread, so that an iterable that computes them
    does so while the first are worked on. Workers keep what they loaded until the block ends.

    Args:
        n_jobs: number of processes on this machine. With one, this process does the work, item by item as the results
            are taken. A cluster uses all of its workers.

    Yields:
        A function like `map`. Its first error ends it, and names the item: a WorkError for what the user can correct,
        a RuntimeError with the worker's traceback for a fault of this code.

    Raises:
        ValueError: VOX_WORKERS names another place, or its cluster cannot be used.
    """
    place = os.environ.get(WORKERS) or PLACES[0]
    if place == "local":
        with _local_workers(n_jobs) as workers:
            yield workers
    elif place in PLACES:
        # imported here, because most runs have no cluster
        from stages.execution.clusters import connected_cluster

        with connected_cluster(place) as (backend, project):
            yield _joblib_map(lambda function: Task(function, project), backend)
    else:
        raise ValueError(f"{WORKERS}={place}: the work can be done by {', '.join(PLACES)}; set one of them, or none")


@contextmanager
def _local_workers(n_jobs: int) -> Iterator[Map]:
    if n_jobs == 1:
        yield lambda function, items: (result_of(Task(function)(item)) for item in items)
        return
    pool = ProcessPoolExecutor(n_jobs, mp_context=get_context("spawn"), initializer=_start_worker)
    try:
        yield _joblib_map(Task, {"backend": ProcessPoolBackend(pool, n_jobs)})
    finally:
        pool.shutdown(cancel_futures=True)  # after an error nobody needs the remaining results


def _joblib_map(as_task: Callable[[Callable[[Any], Any]], Task], backend: dict[str, Any]) -> Map:
    """Return a `map` over the workers of a backend, which is given as the arguments of joblib.parallel_config."""
    return_as = "list" if backend["backend"] == "ray" else "generator"  # Ray's cannot give the first results early

    def map_in_order(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        task = as_task(function)
        with parallel_config(n_jobs=-1, **backend):
            parallel = Parallel(return_as=return_as, pre_dispatch="all")
        return map(result_of, parallel(delayed(task)(item) for item in items))

    return map_in_order


def _start_worker() -> None:
    die_with_parent()
    use_one_thread()


class ProcessPoolBackend(ParallelBackendBase):
    """A backend of joblib for processes that start fresh, die with this one, and stay until their pool is shut down.

    Fresh, because a fork would copy torch's locked threads. joblib's own loky restarts a worker whose memory grows, and
    the memory of a worker grows by the size of every model that it loads.
    """

    supports_retrieve_callback = True

    def __init__(self, pool: ProcessPoolExecutor, n_jobs: int) -> None:
        super().__init__(nesting_level=0)
        self._pool, self._n_jobs = pool, n_jobs

    def effective_n_jobs(self, n_jobs: int) -> int:
        """Return the number of processes of the pool, whatever number was wanted."""
        return self._n_jobs

    def submit(self, func: Callable[[], Any], callback: Callable[[Future], None] | None = None) -> Future:
        """Give a batch of items to the pool."""
        future = self._pool.submit(func)
        if callback is not None:
            future.add_done_callback(callback)
        return future

    def retrieve_result_callback(self, future: Future) -> Any:
        """Return the results of a batch."""
        return future.result()

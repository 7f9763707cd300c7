"""One version of a judge for everything that a map computes.

A result depends on the judge of the worker that heard it. That worker may compute on a GPU where this machine has none,
or may have loaded weights that were replaced since. So the workers are asked for the version, and one that has another
is refused.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeVar

from stages.execution.parallel import Map, call
from stages.execution.tasks import WorkError

V = TypeVar("V")


def with_one_version(workers: Map, version_of: Callable[[], V]) -> tuple[V, Map]:
    """Return the version that a worker has, and a map like `workers` in which every worker must have the same.

    The returned map raises WorkError before an item is worked on by a worker with another version. The message names
    the worker.

    Args:
        workers: a map, see parallel.py.
        version_of: returns the version in the process that calls it: a function of a module, or a partial of one.
    """
    version = next(iter(workers(call, [version_of])))

    def map_with_it(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterable[Any]:
        return workers(partial(_work, function, version_of, version), items)

    return version, map_with_it


def _work(function: Callable[[Any], Any], version_of: Callable[[], V], version: V, item: Any) -> Any:
    own = version_of()
    if own != version:
        raise WorkError(
            f"the worker on {os.uname().nodename} (process {os.getpid()}) works with {own}, and this run began with "
            f"{version}; give all workers the same packages, weights and kind of device, and run again"
        )
    return function(item)

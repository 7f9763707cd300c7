"""Clusters of machines that work for a stage: Dask and Ray, through their backends for joblib."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stages.execution.code_identity import code_of_packages
from stages.execution.tasks import Project

PROOFS = Path(".cache/workers")  # files that show a worker that it sees this project's folder
CONNECT_SECONDS = 20.0
INSTALL = {"dask": "pip install 'voxfoundry[dask]'", "ray": "pip install ray"}


@contextmanager
def connected_cluster(name: str) -> Iterator[tuple[dict[str, Any], Project]]:
    """Connect to a cluster until the block ends.

    Args:
        name: `dask` or `ray`.

    Yields:
        The arguments of joblib.parallel_config, and what the workers must see.

    Raises:
        ValueError: the cluster's package is not installed, the cluster does not answer, or it cannot be used.
    """
    connect = {"dask": _dask, "ray": _ray}[name]
    try:
        with _proof() as project, connect() as backend:
            yield backend, project
    except ModuleNotFoundError as error:
        if error.name not in ("distributed", "dask", "ray"):
            raise
        raise ValueError(f"VOX_WORKERS={name}: {name} is not installed; run {INSTALL[name]}") from error


@contextmanager
def _proof() -> Iterator[Project]:
    """Write a file that only this folder has, for the workers to read."""
    PROOFS.mkdir(parents=True, exist_ok=True)
    path, secret = PROOFS / secrets.token_hex(8), secrets.token_hex(16)
    path.write_text(secret, encoding="utf-8")
    try:
        yield Project(os.fspath(Path.cwd()), os.fspath(path), secret, code_of_packages())
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def _dask() -> Iterator[dict[str, Any]]:
    from dask import config
    from distributed import Client

    address = config.get("scheduler-address", None)  # DASK_SCHEDULER_ADDRESS
    if not address:
        raise ValueError("VOX_WORKERS=dask: set DASK_SCHEDULER_ADDRESS to the scheduler, such as tcp://10.0.0.5:8786")
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise ValueError(f"VOX_WORKERS=dask: no scheduler answers at {address}; start it, or correct it") from error
    with client:
        threaded = {worker: n for worker, n in client.nthreads().items() if n > 1}
        if threaded:
            worker, n_threads = min(threaded.items())
            raise ValueError(
                f"VOX_WORKERS=dask: the worker {worker} has {n_threads} threads, and each loads its own model and "
                "computes with one; start workers with --nthreads 1"
            )
        yield {"backend": "dask", "client": client}


@contextmanager
def _ray() -> Iterator[dict[str, Any]]:
    import ray
    from ray.util.joblib import register_ray

    address = os.environ.get("RAY_ADDRESS")
    if not address:
        raise ValueError("VOX_WORKERS=ray: set RAY_ADDRESS to the cluster's head, such as 10.0.0.5:6379")
    try:
        ray.init(address=address, logging_level="error", log_to_driver=False)
    except (ConnectionError, ValueError) as error:
        raise ValueError(f"VOX_WORKERS=ray: no cluster answers at {address}; start it, or correct it") from error
    try:
        register_ray()
        yield {"backend": "ray"}
    finally:
        ray.shutdown()

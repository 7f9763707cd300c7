"""`vox serve` in a project: its address, its processes, and how to kill them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import httpx
import psutil

ROOT = Path(__file__).resolve().parents[2]
WORKER = "serving.engine.worker"


@dataclass(frozen=True)
class Use:
    """What the processes of a service use.

    Attributes:
        resident: Bytes of memory, of the API and of all workers.
        n_files: Open files, sockets among them.
    """

    resident: dict[str, int]
    n_files: dict[str, int]

    @property
    def total(self) -> int:
        """Return the memory of all processes together."""
        return sum(self.resident.values())


class Service:
    """A running `vox serve`."""

    def __init__(self, project: Path, **environment: str) -> None:
        """Start it, and return once it listens. It prints to a file beside the project.

        Args:
            project: The project's folder.
            **environment: Further variables.
        """
        log = (project.parent / "serve.log").open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "flows.cli", "serve", "--port", "0"],
            cwd=project,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            text=True,
            stdout=subprocess.PIPE,
            stderr=log,
        )
        log.close()
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if match := re.match(r"page +(\S+)/$", line.strip()):
                self.address = match[1]
                return
        raise RuntimeError(f"vox serve ended with {self._process.wait()}, see {project.parent / 'serve.log'}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait_ready(self, seconds: float = 180.0) -> None:
        """Wait until every worker is warm."""
        wait_until(lambda: httpx.get(f"{self.address}/readyz").status_code == 200, seconds)
        wait_until(lambda: len(self.workers()) >= self._n_warm() > 1, seconds)

    def workers(self) -> list[psutil.Process]:
        """Return the processes that speak."""
        try:
            children = psutil.Process(self._process.pid).children()
        except psutil.NoSuchProcess:
            return []
        return [child for child in children if WORKER in _command(child)]

    def use(self) -> Use:
        """Return what its processes use now."""
        processes = {"API": psutil.Process(self._process.pid)}
        processes |= {f"worker {number}": worker for number, worker in enumerate(self.workers(), 1)}
        return Use(
            {name: process.memory_info().rss for name, process in processes.items()},
            {name: process.num_fds() for name, process in processes.items()},
        )

    def kill(self) -> None:
        """Kill the API. Its workers end with it."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End it as a service manager does."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self.kill()

    def _n_warm(self) -> int:
        workers = httpx.get(f"{self.address}/readyz").json()["workers"]
        return sum(worker["state"] == "ready" for worker in workers)


def wait_until(holds: Callable[[], bool], seconds: float) -> None:
    """Wait until something holds, and let a service that does not answer yet be asked again.

    Raises:
        TimeoutError: It did not hold in time.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if holds():
                return
        except (httpx.HTTPError, KeyError, ValueError):
            pass
        time.sleep(0.05)
    raise TimeoutError(f"it did not hold within {seconds:.0f} s")


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []

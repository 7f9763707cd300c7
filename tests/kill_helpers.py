"""Run a call in another process that kills itself before its n-th operation on a file."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

KILLED = -signal.SIGKILL
EVENTS = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "os.utime", "os.truncate", "os.link")


# A fork of the test's own process could wait for ever for a lock that one of its other threads held at that moment. The
# server has one thread, and what it has imported no child imports again.
FORKS = multiprocessing.get_context("forkserver")
IMPORTED = (
    *("flows.commands.renewal", "flows.commands.revocation", "flows.commands.voices"),
    *("dvc.repo", "mlflow.store.tracking.sqlalchemy_store", "mlflow.store.model_registry.sqlalchemy_store"),
    *("mlflow.tracking", "mlflow.store.artifact.artifact_repository_registry"),
)
FORKS.set_forkserver_preload(list(IMPORTED))
AT_MOST_S = 60


def in_child(call: Callable[[], int], folder: Path, kill_before: int | None = None) -> int:
    """Run a call in another process with `folder` as its working folder, and return its exit code, KILLED if killed.

    Args:
        call: Returns an exit code. It can be pickled.
        folder: Only operations on files in it are counted.
        kill_before: Number of the operation before which SIGKILL comes, from 1. None for no kill.
    """
    child = FORKS.Process(target=_run, args=(call, folder, kill_before))
    child.start()
    child.join(AT_MOST_S)
    if child.is_alive():
        child.kill()
        raise TimeoutError(f"{call} did not end within {AT_MOST_S} s")
    return child.exitcode


def _run(call: Callable[[], int], folder: Path, kill_before: int | None) -> None:
    os.chdir(folder)
    if kill_before is not None:
        sys.addaudithook(_Killer(folder, kill_before))
    sys.exit(call())


class _Killer:
    """An audit hook, which Python calls before every operation on a file."""

    def __init__(self, folder: Path, n: int) -> None:
        self.folder, self.left = str(folder), n

    def __call__(self, event: str, arguments: tuple) -> None:
        if event not in EVENTS or not isinstance(arguments[0], str | os.PathLike):
            return
        if os.path.join(os.getcwd(), os.fspath(arguments[0])).startswith(self.folder):
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

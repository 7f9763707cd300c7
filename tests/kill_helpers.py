"""Run a call in another process that kills itself before its n-th operation on a file."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

KILLED = -signal.SIGKILL
EVENTS = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "os.utime", "os.truncate", "os.link")


def in_child(call: Callable[[], int], folder: Path, kill_before: int | None = None) -> int:
    """Run a call in another process with `folder` as its working folder, and return its exit code, KILLED if killed.

    Args:
        call: Returns an exit code.
        folder: Only operations on files in it are counted.
        kill_before: Number of the operation before which SIGKILL comes, from 1. None for no kill.
    """
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.chdir(folder)
            if kill_before is not None:
                sys.addaudithook(_Killer(folder, kill_before))
            code = call()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


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

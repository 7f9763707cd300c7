"""Processes that end with those they work for.

DVC does not kill the program of a stage when it is killed itself. Without this module the program would go on writing
beside the next run.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from pathlib import Path

PR_SET_PDEATHSIG = 1  # linux/prctl.h
WATCH_SECONDS = 0.2
RUN_PID = "VOX_RUN_PID"  # environment variable: the process of `vox run` that DVC and its stages work for


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent ends.

    Does nothing outside Linux, where only the lock of an output protects it.
    """
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        run = os.environ.get(RUN_PID, "")
        # the parent may have ended before the kernel was asked, the run even before the parent was looked up
        if os.getppid() != parent or (run.isdigit() and has_ended(int(run))):
            os.kill(os.getpid(), signal.SIGKILL)


def die_with_run() -> None:
    """Kill this process when the run that it works for (RUN_PID) ends, by watching the run from a thread.

    die_with_parent is not enough for a stage. DVC starts it through a shell, and a shell that waits for its command, as
    dash does, outlives DVC and keeps the stage's parent alive.
    """
    run = os.environ.get(RUN_PID, "")
    if sys.platform == "linux" and run.isdigit():
        threading.Thread(target=_die_after, args=(int(run),), name="die_with_run", daemon=True).start()


def has_ended(pid: int) -> bool:
    """Return whether a process has ended, even if its parent has not waited for it yet and /proc still lists it."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state in {"Z", "X"}


def _die_after(run: int) -> None:
    while not has_ended(run):
        time.sleep(WATCH_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)

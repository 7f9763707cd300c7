"""How a stage writes: alone, all or nothing, and never after its parent is gone."""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LOCKS = Path(".cache/locks")
PR_SET_PDEATHSIG = 1  # linux/prctl.h
WATCH_SECONDS = 0.2
RUN_PID = "VOX_RUN_PID"  # in the environment: the process of `vox run` that DVC and its stages work for


class StageBusyError(RuntimeError):
    """Another process is writing the same output."""


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent ends (Linux; elsewhere the lock alone protects).

    DVC does not kill the program of a stage when it is killed itself: without this the program would go on writing
    beside the next run.
    """
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        run = os.environ.get(RUN_PID, "")
        # it ended before the kernel knew, or even before we asked who it is
        if os.getppid() != parent or (run.isdigit() and has_ended(int(run))):
            os.kill(os.getpid(), signal.SIGKILL)


def die_with_run() -> None:
    """Watch the run that this stage works for (RUN_PID) and end when it ends, from a thread of its own.

    die_with_parent is not enough for a stage: DVC starts it through a shell, and a shell that waits for its command,
    as dash does, outlives DVC and keeps the stage's parent alive.
    """
    run = os.environ.get(RUN_PID, "")
    if sys.platform == "linux" and run.isdigit():
        threading.Thread(target=_end_after, args=(int(run),), name="die_with_run", daemon=True).start()


def _end_after(run: int) -> None:
    while not has_ended(run):
        time.sleep(WATCH_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


def has_ended(pid: int) -> bool:
    """Whether the process is gone, or dead and only not yet waited for: such a zombie keeps its place in /proc."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state in {"Z", "X"}


@contextmanager
def locked(name: str, wait_seconds: float = 20.0) -> Iterator[None]:
    """Hold the lock `name` among all processes of this project folder; the kernel frees it however we end.

    Raises StageBusyError naming the holder where it is still held after `wait_seconds`.
    """
    LOCKS.mkdir(parents=True, exist_ok=True)
    with (LOCKS / f"{name}.lock").open("a+") as file:
        deadline = time.monotonic() + wait_seconds
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    file.seek(0)
                    holder = file.read().strip() or "unknown"
                    raise StageBusyError(
                        f"{name} is being written by process {holder}; wait until it ends, or stop it, and run again"
                    ) from None
                time.sleep(0.2)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


@contextmanager
def stage_output(folder: Path, stage: str, voice: str) -> Iterator[Path]:
    """A fresh temporary folder that becomes `folder` when the block ends without an exception.

    Killed at any instant, `folder` is the old one, absent, or the new one, never a mixture; what an earlier run left
    half-written is removed.
    """
    with locked(f"{stage}-{voice}"):
        partial = folder.with_name(f".{folder.name}.{stage}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        yield partial
        if folder.exists():
            shutil.rmtree(folder)
        partial.replace(folder)


def write_atomically(path: Path, text: str) -> None:
    """Replace a file's content by `text` in one step."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def run_stage(main: Callable[[], None]) -> None:
    """Run the program of a stage: what we can name becomes one line on stderr and exit code 1.

    ValueError covers bad parameters, tables and audio; OSError a full disk or a missing file; the rest are the
    exceptions of our own packages. Anything else is a fault of ours and keeps its traceback.
    """
    try:
        main()
    except (ValueError, OSError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not _is_ours(error):
            raise
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr, flush=True)
        raise SystemExit(1) from None


def _is_ours(error: Exception) -> bool:
    return type(error).__module__.partition(".")[0] in {"stages", "registry", "metrics", "gpt_sovits"}

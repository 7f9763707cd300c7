"""Locks among all processes of a project folder."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stages.errors import StageBusyError

LOCKS = Path(".cache/locks")
RETRY_SECONDS = 0.2


@contextmanager
def locked(name: str, wait_seconds: float = 20.0) -> Iterator[None]:
    """Hold the lock `name` in this project folder. The kernel frees it however the process ends.

    Raises:
        StageBusyError: another process still holds it after `wait_seconds`. The message names that process.
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
                time.sleep(RETRY_SECONDS)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield

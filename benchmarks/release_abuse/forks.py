"""A call in a forked process: it shares the imports, begins at once, and can be killed."""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

CONTEXT = multiprocessing.get_context("fork")
TIMEOUT_SECONDS = 900.0


class ForkError(RuntimeError):
    """The call raised an error, which the message has in full, or its process ended without an answer."""


class Fork:
    """A call that runs in another process from the beginning on."""

    def __init__(self, call: Callable[..., Any], *arguments: Any) -> None:
        self._receiver, sender = CONTEXT.Pipe(duplex=False)
        self._process = CONTEXT.Process(target=_work, args=(sender, call, arguments))
        self._process.start()
        sender.close()

    def kill(self) -> None:
        """Send SIGKILL and wait until the process is gone."""
        self._process.kill()
        self._process.join()

    def result(self) -> Any:
        """Return what the call returned.

        Raises:
            ForkError: It raised an error, or was killed.
        """
        try:
            if not self._receiver.poll(TIMEOUT_SECONDS):
                self.kill()
                raise ForkError(f"no answer within {TIMEOUT_SECONDS:.0f} s")
            is_error, answer = self._receiver.recv()
        except EOFError:
            is_error, answer = True, "killed"
        self._process.join()
        if is_error:
            raise ForkError(answer)
        return answer


def in_fork(call: Callable[..., Any], *arguments: Any) -> Any:
    """Make a call in another process and return what it returned.

    Raises:
        ForkError: It raised an error.
    """
    return Fork(call, *arguments).result()


def _work(sender: Connection, call: Callable[..., Any], arguments: tuple) -> None:
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    try:
        sender.send((False, call(*arguments)))
    except BaseException:  # noqa: BLE001  (the other process must learn of it)
        sender.send((True, traceback.format_exc()))

"""What a worker process does with one item: it checks that it can work here, and returns the result or the error.

This module imports nothing heavy, because every worker starts with it.
"""

from __future__ import annotations

import functools
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from stages.errors import StageError, is_expected
from stages.execution.code_identity import code_of_packages

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class WorkError(StageError, ValueError):
    """The work on an item failed for a reason that the user can act on. The message names the item."""


class Project(NamedTuple):
    """What a worker of a cluster must see, as this process sees it.

    Attributes:
        folder: absolute path of the project.
        proof: path of a file in it, relative to it.
        secret: what is in that file.
        code: hash of this project's code, see code_of_packages.
    """

    folder: str
    proof: str
    secret: str
    code: str


class Failure(NamedTuple):
    """An error of a worker, without the exception, which not every exception survives the way between processes.

    Attributes:
        item: what was worked on.
        message: the exception's message.
        trace: the traceback where the exception is a fault of this code, else empty.
    """

    item: str
    message: str
    trace: str


class Task:
    """A function that returns a Failure instead of raising, and checks first that the worker sees the project.

    Args:
        function: what is done with each item.
        project: what the worker must see, None in processes of this machine.
    """

    def __init__(self, function: Callable[[Any], Any], project: Project | None = None) -> None:
        self._function, self._project = function, project

    def __call__(self, item: Any) -> Any:
        """Return the function's result, or a Failure."""
        try:
            if self._project is not None:
                enter_project(self._project)
            return self._function(item)
        except Exception as error:  # noqa: BLE001 - the parent raises it again, see result_of
            trace = "" if is_expected(error) else traceback.format_exc()
            return Failure(item_name(item), str(error), trace)


def result_of(outcome: Any) -> Any:
    """Return a task's result, or raise its error with the name of the item."""
    if not isinstance(outcome, Failure):
        return outcome
    if outcome.trace:
        raise RuntimeError(f"{outcome.item}: a worker failed:\n{outcome.trace}")
    is_named = not outcome.item or Path(outcome.item).name in outcome.message
    raise WorkError(outcome.message if is_named else f"{outcome.item}: {outcome.message}")


def item_name(item: Any) -> str:
    """Return the first path or name among an item's parts, an empty text where it has none.

    Args:
        item: a path, a text, an object with a `path` or an `audio`, or a call that is ready to be made
            (functools.partial) with one of them.
    """
    if isinstance(item, Path | str):
        return str(item)
    if path := getattr(item, "path", None) or getattr(item, "audio", None):
        return str(path)
    if isinstance(item, functools.partial):
        item = (*item.args, *item.keywords.values())
    if isinstance(item, list | tuple):
        return next(filter(None, map(item_name, item)), "")
    return ""


def use_one_thread() -> None:
    """Compute with one thread in this process: the processes share the cores, and sums keep their order."""
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@functools.lru_cache(maxsize=1)
def enter_project(project: Project) -> None:
    """Make the project's folder the working folder of this worker, once it is known to be the same folder.

    Raises:
        WorkError: the worker does not see the folder, or runs other code.
    """
    where = f"the worker on {os.uname().nodename}"
    try:
        secret = (Path(project.folder) / project.proof).read_text(encoding="utf-8")
    except OSError:
        secret = ""
    if secret != project.secret:
        raise WorkError(
            f"{where} does not see the project's folder {project.folder}; workers on other machines need it under the "
            "same path, on a shared file system"
        )
    if code_of_packages() != project.code:
        raise WorkError(f"{where} runs other code than this machine; install the same version there and restart it")
    use_one_thread()
    os.chdir(project.folder)

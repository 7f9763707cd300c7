"""The project folder of a Prefect worker. Imports little, because Prefect calls it before it starts the flow."""

from __future__ import annotations

import os
from pathlib import Path

from flows.errors import FlowError

PROJECT = "VOXFOUNDRY_PROJECT"  # environment variable of a worker: its project folder


class WorkerProjectError(FlowError, RuntimeError):
    """The worker does not name a project folder."""


def enter_project() -> dict[str, str]:
    """Go to the worker's project folder. This is the `pull` step of every deployment.

    Without such a folder it stays where it is, and require_project explains it in the flow: Prefect shows the message
    of a flow that failed, but not that of a step.
    """
    folder = os.environ.get(PROJECT, "")
    if not _why_not_project(folder):
        os.chdir(folder)
    return {"directory": str(Path.cwd())}


def require_project() -> None:
    """Check that this process is in the worker's project folder.

    Raises:
        WorkerProjectError: It is not.
    """
    if reason := _why_not_project(os.environ.get(PROJECT, "")):
        raise WorkerProjectError(
            f"{PROJECT} names the project folder of this worker, but {reason}; start the worker with "
            f'{PROJECT}="$PWD" in the project folder'
        )


def _why_not_project(folder: str) -> str:
    if not folder:
        return "it is not set"
    missing = [name for name in ("params.yaml", "dvc.yaml") if not (Path(folder) / name).is_file()]
    return f"{folder} has no {missing[0]}" if missing else ""

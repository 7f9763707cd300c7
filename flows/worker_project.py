"""The project folder of a Prefect worker. Imports little, because Prefect calls it before it starts the flow."""

from __future__ import annotations

import os
from pathlib import Path

from flows.errors import FlowError

PROJECT = "VOXFOUNDRY_PROJECT"  # environment variable of a worker: its project folder


class WorkerProjectError(FlowError, RuntimeError):
    """The worker does not name a project folder."""


def enter_project() -> dict[str, str]:
    """Go to the worker's project folder. This is the `pull` step of every deployment."""
    folder = os.environ.get(PROJECT, "")
    missing = [name for name in ("params.yaml", "dvc.yaml") if not (Path(folder) / name).is_file()]
    if not folder or missing:
        reason = f"{folder} has no {missing[0]}" if folder else "it is not set"
        raise WorkerProjectError(
            f"{PROJECT} names the project folder of this worker, but {reason}; start the worker with "
            f'{PROJECT}="$PWD" in the project folder'
        )
    os.chdir(folder)
    return {"directory": str(Path.cwd())}

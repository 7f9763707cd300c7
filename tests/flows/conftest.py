"""One undisturbed run of a small voice for all tests of whole runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from filelock import FileLock
from project import VOICE, make_project, vox


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory, worker_id) -> tuple[Path, str]:
    """Return a project after its first run without Prefect, and what the run printed.

    The first worker that needs it builds it.
    """
    base = tmp_path_factory.getbasetemp()
    shared_by_workers = base if worker_id == "master" else base.parent
    root, printed = shared_by_workers / "undisturbed", shared_by_workers / "undisturbed.txt"
    with FileLock(shared_by_workers / "undisturbed.lock"):
        if not printed.is_file():
            shutil.rmtree(root, ignore_errors=True)
            make_project(root)
            done = vox(root, "run", VOICE, "--no-prefect", "--first-release")
            # untrained weights do not speak, so the gate fails them
            assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr + done.stdout[-3000:]
            printed.write_text(done.stdout, encoding="utf-8")
    return root, printed.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def finished(undisturbed, tmp_path_factory) -> Path:
    """Return a copy of that project for the tests of one file."""
    root = tmp_path_factory.mktemp("finished") / "project"
    shutil.copytree(undisturbed[0], root, symlinks=True)
    return root

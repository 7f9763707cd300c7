"""Whole stages on a real Dask cluster of two workers write the bytes that they write on this machine alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from project import VOICE, environment
from ruamel.yaml import YAML

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


DASK = str(Path(sys.executable).parent / "dask")


@pytest.fixture(scope="module")
def scheduler(finished, tmp_path_factory):
    """The address of a cluster of two workers, started by the commands of docs/scale.md outside of the project."""
    pytest.importorskip("distributed", reason="needs pip install 'voxfoundry[dask]'")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    file = elsewhere / "scheduler.json"
    commands = [
        [DASK, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)],
        [DASK, "worker", "--scheduler-file", str(file), "--nworkers", "2", "--nthreads", "1", "--no-dashboard"],
    ]
    env = environment() | {"PYTHONPATH": str(finished)}
    with (elsewhere / "log").open("w") as log, ExitStack() as running:
        for command in commands:
            child = running.enter_context(subprocess.Popen(command, cwd=elsewhere, env=env, stdout=log, stderr=log))
            running.callback(child.terminate)
        deadline = time.monotonic() + 120
        while not file.is_file() and time.monotonic() < deadline:
            time.sleep(0.2)
        yield json.loads(file.read_text(encoding="utf-8"))["address"]


@pytest.mark.parametrize("stage", ["align", "features"])
def test_a_stage_writes_the_same_bytes_on_two_workers(finished, scheduler, stage):
    from distributed import Client

    entry = YAML(typ="safe").load((finished / "dvc.yaml").read_text(encoding="utf-8"))["stages"][stage]
    command = entry["cmd"].replace("${item.voice}", VOICE).split()
    out = finished / command[command.index("--out") + 1]
    command[command.index("--out") + 1] = f"on_dask/{stage}"
    settings = {"VOX_WORKERS": "dask", "DASK_SCHEDULER_ADDRESS": scheduler, "VOX_CACHE_GB": "0"}
    with Client(scheduler, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=120)
        before = client.run(os.times)
        done = subprocess.run(
            [sys.executable, *command[1:]],
            cwd=finished,
            env=environment() | settings,
            capture_output=True,
            text=True,
            check=False,
        )
        after = client.run(os.times)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert len(before) == 2
    assert all(after[worker].user - before[worker].user > 0.5 for worker in before), "a worker had nothing to do"
    assert files(finished / "on_dask" / stage) == files(out)


def files(folder):
    """Return the content of every file below a folder."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert len(found) > 1
    return found

"""Whole stages shared by several processes, a Dask cluster or torchrun, write the bytes that one process writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from project import VOICE, environment, run
from ruamel.yaml import YAML

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


OUTPUTS = {"align": f"data/3_aligned/{VOICE}", "features": f"data/4_features/{VOICE}"}
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


@pytest.mark.parametrize("stage", OUTPUTS)
def test_a_stage_writes_the_same_bytes_on_two_workers(finished, scheduler, stage):
    from distributed import Client

    command = command_of(finished, stage, out=f"on_dask/{stage}")
    settings = {"VOX_WORKERS": "dask", "DASK_SCHEDULER_ADDRESS": scheduler, "VOX_CACHE_GB": "0"}
    with Client(scheduler, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=120)
        before = client.run(os.times)
        done = subprocess.run(
            command,
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
    assert files(finished / "on_dask" / stage) == files(finished / OUTPUTS[stage])


def test_adaptation_by_torchrun_on_two_processes_writes_the_bytes_of_one(finished):
    code = "from flows.settings import apply_settings; apply_settings(['adapt_gpt.accumulate_batches=2'])"
    run([sys.executable, "-c", code], finished)
    one, two = (
        subprocess.run(
            command_of(finished, "adapt_gpt", out=f"{name}/tiny/gpt"),
            cwd=finished,
            env=environment() | settings,
            capture_output=True,
            text=True,
            check=False,
        )
        for name, settings in (("one", {}), ("two", {"VOX_TORCHRUN": "--standalone --nproc-per-node 2"}))
    )
    assert (one.returncode, two.returncode) == (0, 0), one.stderr[-2000:] + two.stderr[-2000:]
    assert two.stdout == one.stdout, "the first process alone prints"
    assert files(finished / "two") == files(finished / "one")


def test_torchrun_without_batches_to_share_ends_with_one_sentence(finished):
    code = "from flows.settings import apply_settings; apply_settings(['adapt_gpt.accumulate_batches=1'])"
    run([sys.executable, "-c", code], finished)
    done = subprocess.run(
        command_of(finished, "adapt_gpt", out="refused/tiny/gpt"),
        cwd=finished,
        env=environment() | {"VOX_TORCHRUN": "--standalone --nproc-per-node 2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "error: adapt_gpt: 2 processes share the batches of a step" in done.stderr
    assert not (finished / "refused/tiny/gpt").exists()


def command_of(root, stage, *, out):
    """Return the command of a stage in dvc.yaml for the test's voice, with another output."""
    entry = YAML(typ="safe").load((root / "dvc.yaml").read_text(encoding="utf-8"))["stages"][stage]
    command = entry["cmd"].replace("${item.voice}", VOICE).split()
    command[command.index("--out") + 1] = out
    return [sys.executable, *command[1:]]


def files(folder):
    """Return the content of every file below a folder."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert len(found) > 1
    return found

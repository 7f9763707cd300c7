"""A stage writes all or nothing, alone, and never after its parent is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from stages.errors import StageBusyError
from stages.execution.locks import locked
from stages.execution.outputs import stage_output
from stages.execution.processes import RUN_PID


@pytest.fixture(autouse=True)
def _in_a_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_output_appears_only_when_the_block_ends(tmp_path):
    out = tmp_path / "data/clips"
    with stage_output(out, "segment", "sample") as folder:
        (folder / "a.txt").write_text("new")
        assert not out.exists()
    assert (out / "a.txt").read_text() == "new"


def test_an_error_leaves_the_old_output_and_the_next_run_starts_afresh(tmp_path):
    out = tmp_path / "clips"
    with stage_output(out, "segment", "sample") as folder:
        (folder / "old").touch()
    with pytest.raises(RuntimeError), stage_output(out, "segment", "sample") as folder:
        (folder / "half").touch()
        raise RuntimeError
    assert [path.name for path in out.iterdir()] == ["old"]
    with stage_output(out, "segment", "sample") as folder:
        assert not list(folder.iterdir())
        (folder / "new").touch()
    assert [path.name for path in out.iterdir()] == ["new"]


def test_a_second_writer_is_refused_with_the_holder_named(tmp_path):
    script = (
        "import time\nfrom stages.execution.locks import locked\n"
        "with locked('x'):\n    print('held', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout.readline() == "held\n"
        with pytest.raises(StageBusyError, match=str(child.pid)), locked("x", wait_seconds=0.3):
            pass
        child.kill()
        with locked("x", wait_seconds=10):  # the kernel freed it
            pass
    finally:
        child.kill()
        child.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_a_stage_dies_with_its_parent():
    child_code = (
        "import os, time\nfrom stages.execution.processes import die_with_parent\ndie_with_parent()\n"
        "print(os.getpid(), flush=True)\ntime.sleep(60)"
    )
    parent_code = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {child_code!r}])"
    parent = subprocess.Popen([sys.executable, "-c", parent_code], stdout=subprocess.PIPE, text=True)
    grandchild = int(parent.stdout.readline())
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 10
    while _lives(grandchild) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _lives(grandchild)


@pytest.mark.skipif(sys.platform != "linux", reason="runs are watched in /proc")
def test_a_stage_dies_with_its_run_though_the_shell_between_them_lives_on(tmp_path):
    """A shell that waits for its command, as dash does, is what DVC starts a stage through."""
    stage_code = (
        "import os, time\nfrom stages.execution.processes import die_with_parent, die_with_run\n"
        "die_with_parent()\ndie_with_run()\nprint(os.getpid(), os.getppid(), flush=True)\ntime.sleep(60)"
    )
    (tmp_path / "stage.py").write_text(stage_code)
    command = f"{sys.executable} {tmp_path / 'stage.py'}; true"  # with a second command no shell replaces itself
    run_code = (
        "import os, subprocess\n"
        f"subprocess.run(['/bin/sh', '-c', {command!r}], env={{**os.environ, {RUN_PID!r}: str(os.getpid())}})"
    )
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    run = subprocess.Popen([sys.executable, "-c", run_code], stdout=subprocess.PIPE, text=True, env=environment)
    stage, shell = map(int, run.stdout.readline().split())
    assert shell != run.pid
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    run.stdout.close()
    deadline = time.monotonic() + 10
    while _lives(stage) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _lives(stage)


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_a_stage_that_starts_after_its_run_was_killed_ends_even_while_nobody_has_noticed_that():
    run = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    os.kill(run.pid, signal.SIGKILL)
    os.waitid(os.P_PID, run.pid, os.WEXITED | os.WNOWAIT)  # dead, and still in the table of processes
    code = "from stages.execution.processes import die_with_parent\ndie_with_parent()\nprint('lives')"
    stage = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, RUN_PID: str(run.pid)},
        capture_output=True,
        text=True,
        check=False,
    )
    run.wait()
    assert (stage.returncode, stage.stdout) == (-signal.SIGKILL, ""), stage.stderr


def _lives(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False

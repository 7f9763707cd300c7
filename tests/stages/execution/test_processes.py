"""A stage ends when its parent or its run ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from process_helpers import assert_ends, environment

from stages.execution.processes import RUN_PID


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_a_stage_dies_with_its_parent():
    child_code = (
        "import os, time\nfrom stages.execution.processes import die_with_parent\ndie_with_parent()\n"
        "print(os.getpid(), flush=True)\ntime.sleep(60)"
    )
    parent_code = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {child_code!r}])"
    parent = subprocess.Popen([sys.executable, "-c", parent_code], stdout=subprocess.PIPE, text=True, env=environment())
    grandchild = int(parent.stdout.readline())
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    assert_ends(grandchild)


@pytest.mark.skipif(sys.platform != "linux", reason="runs are watched in /proc")
def test_a_stage_dies_with_its_run_even_if_the_shell_between_them_goes_on(tmp_path):
    """DVC starts a stage through a shell, and dash waits for its command."""
    stage_code = (
        "import os, time\nfrom stages.execution.processes import die_with_parent, die_with_run\n"
        "die_with_parent()\ndie_with_run()\nprint(os.getpid(), os.getppid(), flush=True)\ntime.sleep(60)"
    )
    (tmp_path / "stage.py").write_text(stage_code)
    # with a second command, the shell does not replace itself with the stage
    command = f"{sys.executable} {tmp_path / 'stage.py'}; true"
    run_code = (
        "import os, subprocess\n"
        f"subprocess.run(['/bin/sh', '-c', {command!r}], env={{**os.environ, {RUN_PID!r}: str(os.getpid())}})"
    )
    run = subprocess.Popen([sys.executable, "-c", run_code], stdout=subprocess.PIPE, text=True, env=environment())
    stage, shell = map(int, run.stdout.readline().split())
    assert shell != run.pid
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    run.stdout.close()
    assert_ends(stage)


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_a_stage_that_starts_after_its_run_was_killed_ends_at_once():
    run = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    os.kill(run.pid, signal.SIGKILL)
    os.waitid(os.P_PID, run.pid, os.WEXITED | os.WNOWAIT)  # dead, but still in the table of processes
    code = "from stages.execution.processes import die_with_parent\ndie_with_parent()\nprint('lives')"
    stage = subprocess.run(
        [sys.executable, "-c", code],
        env={**environment(), RUN_PID: str(run.pid)},
        capture_output=True,
        text=True,
        check=False,
    )
    run.wait()
    assert (stage.returncode, stage.stdout) == (-signal.SIGKILL, ""), stage.stderr

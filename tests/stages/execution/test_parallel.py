"""Worker processes keep the order, and end with the process that started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from process_helpers import assert_ends, environment, is_running

from stages.execution.parallel import call, worker_processes


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_results_come_in_order(n_jobs):
    with worker_processes(n_jobs) as workers:
        assert list(workers(abs, [-3, 2, -1])) == [3, 2, 1]


def test_a_call_is_made():
    assert call(lambda: 3) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGTERM], ids=lambda kill: kill.name)
def test_workers_end_when_their_parent_is_killed(tmp_path, kill):
    (tmp_path / "parent.py").write_text(
        "import os, time\n"
        "from stages.execution.parallel import worker_processes\n"
        "def report(_):\n    os.write(1, b'%d\\n' % os.getpid())\n    time.sleep(60)\n"
        "if __name__ == '__main__':\n"
        "    with worker_processes(2) as workers:\n        list(workers(report, range(2)))\n"
    )
    parent = subprocess.Popen(
        [sys.executable, str(tmp_path / "parent.py")], stdout=subprocess.PIPE, text=True, env=environment()
    )
    workers = [int(parent.stdout.readline()) for _ in range(2)]
    assert all(map(is_running, workers))
    os.kill(parent.pid, kill)
    parent.wait()
    parent.stdout.close()
    for worker in workers:
        assert_ends(worker)

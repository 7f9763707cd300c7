"""Entries of killed processes leave DVC's list of locks, and entries of running processes stay."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from flows.dvc_locks import forget_dead_holders

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="zombies are recognised in /proc")


@pytest.fixture
def zombie():
    """Yield the id of a killed process that nobody has waited for."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    os.kill(child.pid, signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    yield child.pid
    child.wait()


def holder(pid):
    return {"pid": pid, "cmd": "dvc repro"}


def test_killed_holder_is_removed_and_running_one_stays(tmp_path, zombie):
    path = tmp_path / "rwlock"
    mine = holder(os.getpid())
    path.write_text(
        json.dumps({"write": {"a": holder(zombie), "b": mine}, "read": {"c": [holder(zombie), mine], "d": []}})
    )
    forget_dead_holders(path)
    assert json.loads(path.read_text()) == {"write": {"b": mine}, "read": {"c": [mine]}}


def test_missing_or_damaged_list_is_left_alone(tmp_path):
    forget_dead_holders(tmp_path / "absent")
    (tmp_path / "damaged").write_text("{")
    forget_dead_holders(tmp_path / "damaged")
    assert [path.name for path in tmp_path.iterdir()] == ["damaged"]
    assert (tmp_path / "damaged").read_text() == "{"

"""Entries of killed processes leave DVC's list; those of living ones stay."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from flows.dvc_locks import forget_dead_holders

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="zombies are told apart in /proc")


@pytest.fixture
def zombie():
    """The id of a killed process that nobody has waited for."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    os.kill(child.pid, signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    yield child.pid
    child.wait()


def info(pid):
    return {"pid": pid, "cmd": "dvc repro"}


def test_a_killed_holder_is_forgotten_and_a_living_one_is_not(tmp_path, zombie):
    path = tmp_path / "rwlock"
    mine = info(os.getpid())
    path.write_text(json.dumps({"write": {"a": info(zombie), "b": mine}, "read": {"c": [info(zombie), mine], "d": []}}))
    forget_dead_holders(path)
    assert json.loads(path.read_text()) == {"write": {"b": mine}, "read": {"c": [mine]}}


def test_without_a_list_or_with_a_damaged_one_nothing_is_written(tmp_path):
    forget_dead_holders(tmp_path / "absent")
    (tmp_path / "damaged").write_text("{")
    forget_dead_holders(tmp_path / "damaged")
    assert [path.name for path in tmp_path.iterdir()] == ["damaged"]
    assert (tmp_path / "damaged").read_text() == "{"

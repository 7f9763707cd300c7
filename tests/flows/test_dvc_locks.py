"""Entries of killed processes leave DVC's list of locks, and entries of running processes stay."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
import zc.lockfile

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


def test_missing_list_stays_missing(tmp_path):
    forget_dead_holders(tmp_path / "absent")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", '{"write": {"a'])
def test_list_that_a_killed_writer_left_is_removed_and_one_being_written_stays(tmp_path, text):
    path = tmp_path / "rwlock"
    path.write_text(text)
    writer = zc.lockfile.LockFile(f"{path}.lock")
    forget_dead_holders(path)
    assert path.read_text() == text
    writer.close()
    forget_dead_holders(path)
    assert not path.exists()


def test_dvc_runs_after_one_that_was_killed_while_it_wrote_the_list(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dvc = [sys.executable, "-m", "dvc"]
    subprocess.run([*dvc, "init", "-q", "--no-scm"], check=True)
    (tmp_path / "dvc.yaml").write_text("stages: {one: {cmd: echo 1 > one, outs: [one]}}\n")
    (tmp_path / ".dvc/tmp/rwlock").write_text("")
    assert subprocess.run([*dvc, "repro", "-q"], capture_output=True).returncode != 0
    forget_dead_holders()
    subprocess.run([*dvc, "repro", "-q"], check=True)
    assert (tmp_path / "one").read_text() == "1\n"

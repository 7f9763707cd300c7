"""Only one process at a time holds a lock."""

from __future__ import annotations

import subprocess
import sys

import pytest
from process_helpers import environment

from stages.errors import StageBusyError
from stages.execution.locks import locked


def test_a_second_writer_is_refused_with_the_holder_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    script = (
        "import time\nfrom stages.execution.locks import locked\n"
        "with locked('x'):\n    print('held', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment())
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

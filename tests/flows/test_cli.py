"""`vox` from the command line: quick help, and errors in a sentence."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest
from imports import ROOT


def vox(*arguments, cwd=ROOT):
    command = [sys.executable, "-m", "flows.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=120)


def test_help_answers_in_half_a_second():
    seconds = []
    for _ in range(3):
        begin = time.perf_counter()
        done = vox("--help")
        seconds.append(time.perf_counter() - begin)
        assert done.returncode == 0
    assert min(seconds) < 0.5, seconds


@pytest.mark.parametrize(
    "arguments",
    [("run",), ("run", "sample", "--nonsense"), ("gate", "sample", "--candidate", "x"), ("say", "sample", "hello")],
)
def test_wrong_usage_exits_with_2_and_no_traceback(arguments):
    done = vox(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr


def test_error_outside_a_project_is_a_sentence(tmp_path):
    done = vox("releases", "sample", cwd=tmp_path)
    assert done.returncode == 2
    assert "not inside a Voxfoundry project" in done.stderr
    assert "Traceback" not in done.stderr


def test_unknown_voice_is_a_sentence():
    done = vox("run", "nobody", "--no-prefect")
    assert done.returncode == 2
    assert "voice add nobody" in done.stderr
    assert "Traceback" not in done.stderr


def test_audit_of_an_unknown_voice_is_refused():
    done = vox("audit", "nobody")
    assert done.returncode == 2
    assert "check the name" in done.stderr


def test_gate_that_cannot_measure_overwrites_earlier_verdicts(tmp_path):
    files = {option: tmp_path / f"verdict.{option}" for option in ("json", "markdown", "junit", "html")}
    for path in files.values():
        path.write_text("pass")
    done = vox("gate", "nobody", *[part for option, path in files.items() for part in (f"--{option}", str(path))])
    assert done.returncode == 2
    for path in files.values():
        assert "nobody" in path.read_text(encoding="utf-8")
        assert path.read_text(encoding="utf-8") != "pass"
    assert json.loads(files["json"].read_text(encoding="utf-8"))["outcome"] is None

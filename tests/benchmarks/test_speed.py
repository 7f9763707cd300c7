"""The speed benchmark measures every part at the smallest size, and its table names the commands."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys

import pytest
from imports import ROOT

from benchmarks.speed import PARTS, main


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """The printed JSON and the Markdown table."""
    path = tmp_path_factory.mktemp("speed") / "RESULTS.md"
    command = [sys.executable, "-m", "benchmarks.speed", "--size", "tiny", "--quick", "--json", "--markdown", str(path)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), path.read_text(encoding="utf-8")


def test_every_part_has_finite_figures(result):
    figures = result[0]["figures"]
    assert {figure["command"].split("--only ")[1] for figure in figures} >= set(PARTS)
    for figure in figures:
        assert 0 < figure["least"] <= figure["median"] <= figure["greatest"] < math.inf, figure


def test_the_markdown_names_the_machine_and_the_command_of_each_figure(result):
    figures, markdown = result[0]["figures"], result[1]
    assert result[0]["machine"] in markdown
    assert all(f"`{figure['command']}`" in markdown for figure in figures)


def test_a_missing_device_is_refused(monkeypatch, capsys):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("sys.argv", ["speed", "--device", "cuda"])
    with pytest.raises(SystemExit):
        main()
    assert "no CUDA device" in capsys.readouterr().err

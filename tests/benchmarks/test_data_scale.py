"""The benchmark of scale runs the real stages, and finds what is quadratic."""

from __future__ import annotations

import subprocess
import sys

import pytest
from imports import ROOT

from benchmarks.data_scale import exponent, table


def test_the_exponent_is_that_of_the_growth():
    assert exponent([10, 100, 1000], [9.0, 1.0, 10.0]) == pytest.approx(1.0)
    assert exponent([100, 1000], [1.0, 100.0]) == pytest.approx(2.0)


def test_the_table_has_milliseconds_per_clip():
    text = table([100, 1000], [{"ingest": 0.5}, {"ingest": 50.0}])
    assert text.splitlines()[-1] == "| ingest | 5.00 ms | 50.00 ms | 2.00 |"


@pytest.mark.slow
def test_all_stages_run_on_the_synthetic_voice():
    command = [sys.executable, "-m", "benchmarks.data_scale", "--clips", "10", "20"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    for stage in ("ingest", "segment", "align", "features", "DVC"):
        assert done.stdout.count(f"| {stage} | ") == 2  # of a first run, and with one recording more

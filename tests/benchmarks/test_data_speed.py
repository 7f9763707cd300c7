"""The benchmark of the data stages: its recordings are as long as they say, and the table has every case."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from imports import ROOT
from odd_recordings.encoding import RATE, speech

from benchmarks.data_speed import Figures, Use, as_markdown, cases, measure, speech_blocks
from stages.recordings.decoding import open_audio

SENTENCES = [speech(number, 3.0) for number in range(20)]
LONG_MINUTES = 40


@pytest.mark.parametrize("index", range(4))
def test_every_file_has_the_stated_length(tmp_path: Path, index: int) -> None:
    case = cases([0.1])[index]
    case.write(tmp_path / case.file, speech_blocks(SENTENCES, RATE, case.minutes), RATE)
    with open_audio(tmp_path / case.file) as stream:
        n_samples = sum(map(len, stream.blocks))
    assert n_samples / stream.sample_rate == pytest.approx(60 * case.minutes, abs=0.15)


def test_speeds_are_multiples_of_real_time_of_one_core() -> None:
    figures = Figures(cases([10])[0], 70, Use(2.0, 150.4), Use(4.0, 210.6), Use(60.0, 900.0))
    row = "| FLAC mono, 10 min | 70 | 300x | 150x | 100x | 211 MB | 10.0x, 900 MB |"
    assert as_markdown([figures]).splitlines()[-1] == row


@pytest.mark.slow
def test_the_program_prints_one_row_per_case_and_writes_them(tmp_path: Path) -> None:
    path = tmp_path / "table.md"
    command = [sys.executable, "-m", "benchmarks.data_speed", "--minutes", "0.2", "--markdown", str(path)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    rows = [line for line in path.read_text().splitlines() if " min |" in line]
    assert len(rows) == len(cases([0.2]))
    assert done.stdout.splitlines() == rows


@pytest.mark.slow
def test_memory_does_not_grow_with_length_and_time_grows_no_faster() -> None:
    short, long = (
        measure(case, SENTENCES, RATE, with_align=False) for case in cases([LONG_MINUTES / 8, LONG_MINUTES])[:2]
    )
    for stage in ("ingest", "segment"):
        less, more = getattr(short, stage), getattr(long, stage)
        assert more.memory_mb < less.memory_mb + 50, stage
        assert more.cpu_seconds < 8 * 1.2 * less.cpu_seconds, stage
    seconds = 60 * LONG_MINUTES
    assert seconds / (long.ingest.cpu_seconds + long.segment.cpu_seconds) > 100
    assert long.n_clips > 7 * short.n_clips

"""Every kind of damage in the benchmark changes a recording of the sample voice and is found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from process_helpers import assert_ends, children, environment

from benchmarks.failures import DAMAGES, UNDAMAGED, Speech, failures_by_damage, find_failures, load_speeches, tables
from metrics.failures import FAILURES, unmeasurable_failures

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "data/1_recordings/sample"
# not always found, or slow to transcribe for pocketsphinx; FAILURES.md has the figures of all
SKIPPED = {
    "ends in the middle of the last word",
    "last 3 words 10 times",
    "white noise, 6 dB SNR",
    "white noise, 10 dB SNR",
    "noise alone",
}


@pytest.fixture(scope="module")
def speech() -> Speech:
    return load_speeches(SAMPLE, n_damaged=1, n=2)[0]


def test_every_failure_that_the_judge_can_detect_has_a_damage() -> None:
    assert {name for name, _ in DAMAGES.values()} | set(unmeasurable_failures("pocketsphinx")) == set(FAILURES)


def test_the_recording_itself_has_no_failure(speech: Speech) -> None:
    assert find_failures(speech, speech.waveform) == ()


@pytest.mark.parametrize("damage", [name for name in DAMAGES if name not in SKIPPED])
def test_damage_is_found(speech: Speech, damage: str) -> None:
    name, apply = DAMAGES[damage]
    assert name in find_failures(speech, apply(speech, np.random.default_rng(0)))


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_changes_the_samples_and_leaves_audio(speech: Speech, damage: str) -> None:
    damaged = DAMAGES[damage][1](speech, np.random.default_rng(0))
    assert damaged.dtype == np.float32
    assert damaged.ndim == 1
    assert np.abs(damaged).max(initial=0.0) <= 1.0
    assert len(damaged) != len(speech.waveform) or not np.array_equal(damaged, speech.waveform)


def test_the_tables_count_hits_alarms_and_other_names(speech: Speech) -> None:
    one = failures_by_damage(speech, ["silence"], seed=0)
    text = tables([one, {UNDAMAGED: ("noise",), "silence": ("cut_off",)}])
    assert "| noise | 1/2 = 50% (1%-99%) |" in text
    assert "| wrong_language | not measurable with pocketsphinx |" in text
    assert "| silence | empty | 1/2 = 50% (1%-99%) | 2/2 = 100% (16%-100%) | cut_off 1 |" in text


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_the_worker_processes_end_when_the_benchmark_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.failures", "--n", "1", "--n-good", "10", "--only", "silence"]
    env = environment() | {"VOXFOUNDRY_SHARED": str(tmp_path)}  # only the sample voice
    benchmark = subprocess.Popen(
        command, env=env, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        assert benchmark.stderr.readline().startswith("failures: 1/"), "the workers are at work"
        workers = children(benchmark.pid)
        assert len(workers) >= 2
    finally:
        benchmark.kill()
        benchmark.wait()
        benchmark.stderr.close()
    for worker in workers:
        assert_ends(worker)

"""A second worker on another "machine": another folder, the same Prefect server and registry, a DVC remote."""

from __future__ import annotations

import shutil
import sys

import pytest
from pipeline_helpers import outputs
from prefect_team import Team, stop_server
from project import VOICE, run

from flows.dvc_stages import STAGES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

COMPUTED = ("ingest", "segment")  # of the others the remote has the outputs


def test_a_second_worker_writes_the_same_bytes_and_finds_the_same_candidate(finished, tmp_path):
    other, remote = tmp_path / "other", tmp_path / "remote"
    run(["git", "clone", "-q", str(finished), str(other)], tmp_path)
    shutil.copytree(finished / "data/1_recordings", other / "data/1_recordings", dirs_exist_ok=True)  # not in git
    for root in (finished, other):
        run([sys.executable, "-m", "dvc", "remote", "add", "--local", "--default", "store", str(remote)], root)
    try:
        team = Team(finished)
        with team.worker(finished):
            first = team.run("train_and_release", voice=VOICE, first_release=True)
        assert first[0] == "Fail", "the gate fails untrained weights, and the run shows it"
        forget(remote, COMPUTED)
        same = {
            "MLFLOW_TRACKING_URI": f"sqlite:///{finished / 'mlflow.db'}",
            "VOXFOUNDRY_SIGNING_KEY": str(finished / ".vox/keys/signing.pem"),
        }
        with team.worker(other, **same):
            second = team.run("train_and_release", voice=VOICE, first_release=True)
        newest = team.runs_of("train_and_release")[-1]
        lines = [
            line["message"]
            for line in team.fetch("logs/filter", {"limit": 200, "logs": {"flow_run_id": {"any_": [newest["id"]]}}})
        ]
    finally:
        stop_server(finished)
    assert second == first, "the same verdict about the same version"
    assert outputs(other) == outputs(finished)
    restored = {stage for stage in STAGES if any(f"'{stage}@{VOICE}' is cached" in line for line in lines)}
    assert restored == set(STAGES) - {*COMPUTED, "register"}, "only what the remote lacks was computed"


def forget(remote, stages):
    """Remove what the remote knows about runs of some stages."""
    n = 0
    for path in (remote / "runs").rglob("*"):
        if path.is_file() and any(f"stages.{stage}" in path.read_text(encoding="utf-8") for stage in stages):
            path.unlink()
            n += 1
    assert n >= len(stages)

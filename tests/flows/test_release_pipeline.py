"""Releases through the commands, and what Prefect keeps about a run."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
import time
import urllib.request

import pytest
from pipeline_helpers import kill_in, outputs, states
from project import VOICE, run, vox

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_prefect_shows_runs_and_marks_a_killed_one_as_crashed(finished, tmp_path):
    root = tmp_path / "prefect"
    shutil.copytree(finished, root, symlinks=True)
    try:
        kill_in(root, "segment", 1.0, "-S", "segment.padding_seconds=0.06", prefect=True)
        done = vox(root, "run", VOICE, "--first-release", "-S", "segment.padding_seconds=0.1")
        assert done.returncode == 1, done.stderr + done.stdout[-2000:]
        assert outputs(root) == outputs(finished)
        assert [one["state_type"] for one in fetch(root, "flow_runs")] == ["CRASHED", "COMPLETED"]
        artifacts = {artifact["key"] for artifact in fetch(root, "artifacts")}
        assert artifacts == {f"{VOICE}-figures", f"{VOICE}-report", f"{VOICE}-verdict"}
        begin = time.perf_counter()
        vox(root, "run", VOICE, "--first-release")
        assert time.perf_counter() - begin < 25  # 15 s on an idle machine, see README
        assert vox(root, "gate", VOICE, "--first-release", "--prefect").returncode == 1
        rescored = vox(root, "rescore", VOICE, "--version", "1", "--prefect")
        assert rescored.returncode == 0, rescored.stdout + rescored.stderr
        assert {one["flow_name"] for one in flows_of(root)} == {"train_and_release", "gate", "evaluate_champion"}
        assert f"{VOICE}-trend" in {artifact["key"] for artifact in fetch(root, "artifacts")}
    finally:
        vox(root, "server", "stop")


def test_two_versions_are_promoted_rolled_back_and_audited(promoted, tmp_path):
    """Release two versions through the commands, under a policy that untrained weights pass."""
    root = shutil.copytree(promoted[0], tmp_path / "releases", symlinks=True)
    assert states(promoted[1]) == {"register": "done"}
    assert champion(root) == 1
    again = vox(root, "promote", VOICE)
    assert (again.returncode, champion(root)) == (0, 1)
    assert "already" in again.stdout

    second = vox(root, "run", VOICE, "--no-prefect", "--promote", "-S", "adapt_gpt.seed=7")
    assert second.returncode == 0, second.stderr + second.stdout[-2000:]
    assert "adapt_gpt" in states(second.stdout)
    assert "adapt_sovits" not in {s for s, state in states(second.stdout).items() if state == "done"}
    assert champion(root) == 2

    spoken = root / "a.wav"
    assert vox(root, "say", VOICE, "The meeting was moved from nine to eleven.", "-o", str(spoken)).returncode == 0
    assert spoken.stat().st_size > 10_000

    scored_again = vox(root, "rescore", VOICE, "--json")
    assert scored_again.returncode == 0, scored_again.stdout + scored_again.stderr
    shown = json.loads(scored_again.stdout)
    assert (shown["version"], shown["drifted"], len(shown["trend"])) == (2, False, 2)

    assert (vox(root, "rollback", VOICE).returncode, champion(root)) == (0, 1)
    refused = vox(root, "rollback", VOICE)
    assert refused.returncode == 1
    assert "first release" in refused.stderr
    assert (vox(root, "rollback", VOICE, "--to", "2").returncode, champion(root)) == (0, 2)
    moves = [(row["action"], row["state"], row["to_version"]) for row in journal(root)["journal"]]
    assert [move for move in moves if move[1] == "done"] == [
        ("promote", "done", 1),
        ("promote", "done", 2),
        ("rollback", "done", 1),
        ("rollback", "done", 2),
    ]
    assert vox(root, "audit", VOICE).returncode == 0

    with sqlite3.connect(root / "mlflow.db") as database:
        database.execute("UPDATE voxfoundry_records SET content = content || ' ' WHERE number = 3")
    broken = vox(root, "audit", VOICE)
    assert broken.returncode == 1
    assert "row 3" in broken.stdout


def flows_of(root):
    """Return the flow runs with the names of their flows."""
    names = {one["id"]: one["name"] for one in fetch(root, "flows")}
    return [one | {"flow_name": names[one["flow_id"]]} for one in fetch(root, "flow_runs")]


def fetch(root, what):
    """Return `flows`, `flow_runs` or `artifacts` of the project's Prefect server, oldest first."""
    code = "from flows.prefect_server import running_server; print(running_server())"
    url = f"{run([sys.executable, '-c', code], root).stdout.strip()}/{what}/filter"
    request = urllib.request.Request(url, b"{}", {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return sorted(json.load(answer), key=lambda one: one["created"])


def journal(root):
    return json.loads(vox(root, "releases", VOICE, "--json", check=True).stdout)


def champion(root):
    return journal(root)["champion"]

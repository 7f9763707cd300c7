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

from flows.dvc_stages import STAGES
from flows.proof.prove import prove
from registry.storage.store import open_store

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
# Which files are changed, and the link that breaks
TAMPERED = {
    f"data/1_recordings/{VOICE}/**/*.flac": "recordings",
    f"data/1_manifests/{VOICE}/recordings.jsonl": "manifest",
    f"data/2_clips/{VOICE}/**/*.flac": "clips",
    f"data/3_aligned/{VOICE}/clips.jsonl": "texts",
    f"data/4_features/{VOICE}/**/*": "features",
    f"data/5_checkpoints/{VOICE}/sovits/**/*.safetensors": "checkpoints (SoVITS)",
    f"data/5_checkpoints/{VOICE}/gpt/**/*.safetensors": "checkpoints (GPT)",
    f"data/6_scores/{VOICE}/scorecard.json": "scores",
    f"data/6_scores/{VOICE}/voice/**/*.safetensors": "scores",
    "mlartifacts/**/scorecard.json": "registered scores",
    "mlartifacts/**/sovits/*.safetensors": "registered candidate",
}


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


@pytest.fixture(scope="module")
def released(promoted, tmp_path_factory):
    """Return a project with two released versions, under a policy that untrained weights pass."""
    root = shutil.copytree(promoted[0], tmp_path_factory.mktemp("released") / "project", symlinks=True)
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
    return root


def test_both_versions_are_proven_and_each_changed_file_breaks_its_own_link(released, monkeypatch):
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "VOXFOUNDRY_DATABASE_URI", "VOXFOUNDRY_SIGNING_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(released)
    for version in ("1", "2"):  # the first one's last stages are in DVC's cache only
        done = vox(released, "verify", VOICE, version)
        assert done.returncode == 0, done.stdout
    for pattern, link in TAMPERED.items():
        before = {path: path.read_bytes() for path in released.glob(pattern) if path.is_file()}
        assert before, pattern
        for file, content in before.items():
            file.chmod(0o644)
            file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]) if content else b"forged")
        assert broken_links() == [link], pattern
        for file, content in before.items():
            file.write_bytes(content)
    for table, change, links in (
        ("voxfoundry_verdicts_by_hash", "payload = payload || ' '", ["verdict"]),
        ("voxfoundry_records", "content = content || ' ' WHERE number = 6", ["verdict", "release"]),
        ("voxfoundry_records", "content = content || ' ' WHERE number = 8", ["release"]),
    ):
        shutil.copy("mlflow.db", "kept.db")
        with sqlite3.connect("mlflow.db") as database:
            database.execute(f"UPDATE {table} SET {change}")
        assert broken_links() == links, change
        shutil.move("kept.db", "mlflow.db")
    assert broken_links() == []


def test_older_version_is_computed_again_to_the_same_bytes(released):
    registry = [(released / name).read_bytes() for name in ("mlflow.db", "dvc.lock", "params.yaml")]
    done = vox(released, "rebuild", VOICE, "1", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads(done.stdout)["stages"]
    assert [row["stage"] for row in rows] == [*(stage for stage in STAGES if stage != "register"), "candidate"]
    assert {row["state"] for row in rows} == {"same"}
    assert [(released / name).read_bytes() for name in ("mlflow.db", "dvc.lock", "params.yaml")] == registry


def test_two_versions_are_rolled_back_and_audited(released):
    root = released
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


def broken_links():
    """Return which links of the champion in the working folder are broken."""
    proof = prove(open_store(), VOICE, version=2).proof
    return [link.name for link in proof.links if link.state == "broken"]


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

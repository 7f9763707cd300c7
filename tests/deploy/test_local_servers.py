"""Releases, data and flows on the servers of deploy/local.sh: PostgreSQL, S3, MLflow with authentication, Prefect."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import requests
import sqlalchemy as sa
from faulty_proxy import faulty_proxy
from imports import ROOT
from local_servers import LocalServers
from release_desk import Desk
from release_helpers import (
    LINEAGE,
    policy,
    promote_first,
    recordings_of,
    scorecard,
    write_scores,
    write_voice_folder,
)

from registry.candidates.registration import register_candidate
from registry.releases.alias import ReleaseRefused
from registry.releases.audit import audit
from registry.storage.anchor import AnchorError
from registry.storage.model_registry import find_versions, read_alias
from registry.storage.record import JournalError
from registry.storage.records import append_record, require_published
from registry.storage.remote_anchor import SETTING, publish_anchor
from registry.storage.store import Store, mlflow_client, open_store
from registry.verdicts.gating import gate_candidate

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def desk(local_servers: LocalServers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk of a new project without any voice, at the servers, as the user engineer."""
    local_servers.make_journal(monkeypatch)
    local_servers.as_user(monkeypatch, "engineer")
    return Desk(open_store(tmp_path), recordings_of(tmp_path), [])


def register(store: Store, version: int, wer: float, voice: str = "anna") -> None:
    """Register a small candidate: ten utterances are enough for the policy, and each is an upload."""
    folder = store.root / f"build_{version}"
    if not folder.exists():
        write_voice_folder(folder / "voice", f"weights {version}")
    scores = write_scores(folder, scorecard(voice, wer=wer, n_prompts=10, seeds=(0,)))
    candidate = register_candidate(store, voice, voice_folder=folder / "voice", scorecard_path=scores, lineage=LINEAGE)
    assert candidate.version == version


def run(*command: str, cwd: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])} | settings
    return subprocess.run([sys.executable, "-m", *command], cwd=cwd, env=environment, capture_output=True, text=True)


def doctor(project: Path, **settings: str) -> dict[str, dict[str, str]]:
    """Return the findings of `vox doctor` about the servers by their name."""
    done = run("flows.cli", "doctor", "--json", cwd=project, **settings)
    return {finding["what"]: finding for finding in json.loads(done.stdout)}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project under DVC with one file of 100 kB."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    assert run("dvc", "init", "--no-scm", cwd=tmp_path).returncode == 0
    (tmp_path / "recording.wav").write_bytes(os.urandom(100_000))
    return tmp_path


def test_engineer_registers_and_only_a_release_manager_moves_the_champion(desk, local_servers, monkeypatch):
    register(desk.store, 1, wer=0.2)
    register(desk.store, 2, wer=0.1)
    desk.gate(1, first_release=True)
    # 1. The engineer is refused by the server, whatever the client
    with pytest.raises(ReleaseRefused, match=r"engineer lacks the role .*release_manager"):
        desk.promote(1, first_release=True)
    client = mlflow_client(desk.store)
    for change in (
        lambda: client.set_registered_model_alias("anna", "champion", "2"),
        lambda: client.set_registered_model_alias("anna", "CHAMPION", "2"),
        lambda: client.delete_registered_model_alias("anna", "challenger"),
        lambda: client.set_model_version_tag("anna", "2", "candidate_id", "0" * 64),
        lambda: client.delete_model_version("anna", "1"),
        lambda: client.rename_registered_model("anna", "bob"),
        lambda: client.delete_registered_model("anna"),
    ):
        with pytest.raises(Exception, match="engineer lacks the role"):
            change()
    desk.assert_champion(None)
    # 2. The release manager promotes, rolls back and revokes
    local_servers.as_user(monkeypatch, "release_manager")
    assert desk.promote(1, first_release=True).changed
    desk.gate(2)
    assert desk.promote(2).changed
    assert desk.rollback().to_version == 1
    desk.assert_champion(1)
    assert audit(desk.store, "anna") == ()
    # 3. The servers come back as they were
    local_servers.run("stop")
    assert local_servers.run("status", check=False).returncode == 1
    local_servers.run("start")
    desk.assert_champion(1)
    desk.revoke()
    desk.assert_champion(None)


@pytest.mark.parametrize("fault", ["503", "cut"])
def test_artifact_store_that_breaks_stops_each_step_and_leaves_nothing_behind(
    fault, local_servers, tmp_path, monkeypatch
):
    voice = f"voice_{fault}"
    local_servers.make_journal(monkeypatch)
    local_servers.as_user(monkeypatch, "release_manager")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    with faulty_proxy(local_servers.settings()["MLFLOW_TRACKING_URI"]) as proxy:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", proxy.url)
        store = open_store(tmp_path)

        def breaks(method: str, call: Callable[[], object]) -> None:
            proxy.choose_fault = lambda sent, path: fault if sent == method and "mlflow-artifacts" in path else ""
            before = proxy.n_faults
            with pytest.raises(Exception) as refusal:
                call()
            assert proxy.n_faults > before, refusal.value
            proxy.choose_fault = lambda sent, path: ""

        # 1. An upload that fails registers nothing; a cut answer to an upload is not noticed, for all was sent
        if fault == "503":
            breaks("PUT", lambda: register(store, 1, wer=0.1, voice=voice))
            assert find_versions(store, voice) == []
        register(store, 1, wer=0.1, voice=voice)
        # 2. A download that fails gives no verdict and no release, and no half file is kept
        gate = partial(gate_candidate, store, voice, policy=policy(), version=1, first_release=True)
        breaks("GET", gate)
        assert not list((tmp_path / ".cache").rglob("scorecard.json"))
        assert gate().verdict.outcome == "pass"
        shutil.rmtree(tmp_path / ".cache")
        release = partial(promote_first, store, voice)
        breaks("GET", release)
        assert read_alias(store, voice, "champion") is None
        release()
        assert read_alias(store, voice, "champion") == 1
        assert audit(store, voice) == ()


def test_files_of_a_dvc_remote_on_s3_come_back_in_another_project(project, local_servers, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    settings = local_servers.settings()
    for command in (
        ["remote", "add", "--default", "store", "s3://dvc/voxfoundry"],
        ["add", "recording.wav"],
        ["push"],
    ):
        done = run("dvc", *command, cwd=project, **settings)
        assert done.returncode == 0, done.stderr
    (other / ".dvc").mkdir()
    shutil.copy(project / ".dvc/config", other / ".dvc")
    shutil.copy(project / "recording.wav.dvc", other)
    done = run("dvc", "pull", cwd=other, **settings)
    assert done.returncode == 0, done.stderr
    assert (other / "recording.wav").read_bytes() == (project / "recording.wav").read_bytes()


def test_doctor_finds_every_server_and_names_the_one_that_is_wrong(project, local_servers):
    settings = local_servers.settings()
    run("dvc", "remote", "add", "--default", "store", "s3://dvc/voxfoundry", cwd=project)
    servers = ("Prefect server", "MLflow registry", "MLflow artifacts", "release journal", "DVC remote")
    findings = doctor(project, **settings)
    assert {what: findings[what]["state"] for what in servers} == dict.fromkeys(servers, "ok"), findings
    wrong = settings | {
        "AWS_SECRET_ACCESS_KEY": "wrong",
        "MLFLOW_TRACKING_PASSWORD": "wrong",
        "PREFECT_API_URL": "http://127.0.0.1:9/api",
        "VOXFOUNDRY_DATABASE_URI": "postgresql://anna:SECRET@127.0.0.1:9/voxfoundry",
    }
    findings = doctor(project, **wrong)
    shown = {what: findings[what]["detail"] for what in servers if what in findings}
    assert {findings[what]["state"] for what in shown} == {"wrong"}
    assert "start it, or unset PREFECT_API_URL" in shown["Prefect server"]
    assert "refuses release_manager; set MLFLOW_TRACKING_USERNAME" in shown["MLflow registry"]
    assert "127.0.0.1:9/voxfoundry cannot be used (" in shown["release journal"]
    assert "check the address and its credentials" in shown["DVC remote"]
    assert "SECRET" not in json.dumps(findings)


def test_secrets_are_readable_by_their_owner_only_and_in_no_command_line(local_servers):
    for name in ("env", "secrets", "s3.json", "basic_auth.ini"):
        assert stat.S_IMODE((local_servers.folder / name).stat().st_mode) == 0o600
    secrets = [line.partition("=")[2] for line in (local_servers.folder / "secrets").read_text().splitlines()]
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = process.read_text(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        assert not any(secret in line for secret in secrets), line


def test_start_again_changes_nothing(local_servers):
    processes = {path.name: path.read_text() for path in local_servers.folder.glob("*.pid")}
    assert len(processes) == 4
    local_servers.run("start")
    assert {path.name: path.read_text() for path in local_servers.folder.glob("*.pid")} == processes
    assert local_servers.run("status").stdout.count(" runs at 127.0.0.1:") == 4


def test_anchor_on_s3_is_never_written_over(local_servers, tmp_path, monkeypatch):
    for name, value in local_servers.settings().items():
        if name.startswith("AWS_") or name.lower() == "no_proxy":
            monkeypatch.setenv(name, value)
    for name in ("MLFLOW_TRACKING_URI", "VOXFOUNDRY_DATABASE_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(SETTING, "s3://dvc/anchors")
    store = open_store(tmp_path / "project")
    append_record(store, "carla", "verdict", {"n": 1})
    older = open_store(shutil.copytree(store.root, tmp_path / "older"))
    second = append_record(store, "carla", "verdict", {"n": 2})
    publish_anchor(second.stamp)  # again, as after a kill
    require_published(store, "carla")
    with pytest.raises(AnchorError, match="holds another row of this number"):
        append_record(older, "carla", "verdict", {"n": 9})
    with pytest.raises(JournalError, match="anchored another row of this number"):
        require_published(older, "carla")


def test_prefect_keeps_its_work_pools_in_postgresql(local_servers):
    settings = local_servers.settings()
    with requests.Session() as session:
        session.trust_env = False
        pool = {"name": "voxfoundry", "type": "process"}
        assert session.post(f"{settings['PREFECT_API_URL']}/work_pools/", json=pool, timeout=60).status_code == 201
    database = f"{settings['VOXFOUNDRY_DATABASE_URI'].rpartition('/')[0]}/prefect"
    with sa.create_engine(database).connect() as connection:
        assert connection.scalars(sa.text("SELECT name FROM work_pool WHERE type = 'process'")).all() == ["voxfoundry"]

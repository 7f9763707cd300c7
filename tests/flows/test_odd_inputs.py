"""What people mistype, and what an attacker would give: one sentence, nothing written, no secret shown."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from imports import ROOT

from flows.cli import vox
from flows.guard import run_guarded
from registry.storage import mlflow_rest

NAMES = ("..", ".", "", "a/b", "/etc", "a" * 65, "a" * 5000, "anna\n", "\x1b[31mred", "ünä", "[/x]", "a b", "%2e%2e")
NAMES += ("x' or name='anna", "anna\u202e", "\udce4")
COMMANDS = {
    "run": (),
    "gate": (),
    "listen": (),
    "review": (),
    "promote": (),
    "rollback": (),
    "rescore": (),
    "releases": (),
    "audit": (),
    "say": ("Hello.", "-o", "a.wav"),
    "export": ("folder",),
}
VERSIONS = {"gate": "--candidate", "rollback": "--to", **dict.fromkeys(("promote", "say", "export"), "--version")}
RELEASE_COMMANDS = ("gate", "promote", "rollback", "releases", "audit")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one voice that was never run. It is the working folder."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "data/1_recordings/sample", tmp_path / "data/1_recordings/sample")
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "VOXFOUNDRY_DATABASE_URI", "VOXFOUNDRY_ACTOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(mlflow_rest, "N_RETRIES", 0)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def error_of(capsys, *arguments: str) -> str:
    """Run a command that must not succeed, and return its error, which must be one line and no fault of vox."""
    code = run_guarded(lambda: vox.main(list(arguments), standalone_mode=False), debug=False)
    error = capsys.readouterr().err
    assert code in (1, 2), (code, error)
    assert "fault of vox" not in error and "Traceback" not in error and "Errno" not in error, error
    assert error.isascii() or error.replace("\n", "").isprintable(), error
    lines = [line for line in error.splitlines() if line and not line.startswith(("Usage:", "Try "))]
    assert len(lines) == 1, error
    return lines[0]


def files(project: Path) -> set[str]:
    return {path.relative_to(project).as_posix() for path in project.rglob("*")}


@pytest.mark.parametrize("command", COMMANDS)
def test_name_that_cannot_be_a_voices_is_refused_before_anything_happens(project, capsys, command):
    before = files(project)
    for name in NAMES:
        error = error_of(capsys, command, name, *COMMANDS[command])
        assert error.startswith("error: ") and "cannot be a voice's name" in error
        assert len(error) < 250
    assert files(project) == before


@pytest.mark.parametrize("command", RELEASE_COMMANDS)
def test_voice_that_is_not_of_this_project_is_refused(project, capsys, command):
    error = error_of(capsys, command, "nobody")
    assert "nobody" in error
    assert command == "gate" or "not a voice of this project, which has sample; check the name" in error


@pytest.mark.parametrize("command", VERSIONS)
@pytest.mark.parametrize("version", ["0", "-1", "2147483648", "9223372036854775808", "1" + "0" * 400, "x", ""])
def test_number_that_no_version_can_have_is_refused(project, capsys, command, version):
    error = error_of(capsys, command, "sample", *COMMANDS[command], VERSIONS[command], version)
    assert f"Invalid value for '{VERSIONS[command]}'" in error


@pytest.mark.parametrize("command", RELEASE_COMMANDS)
@pytest.mark.parametrize("setting", ["MLFLOW_TRACKING_URI", "VOXFOUNDRY_DATABASE_URI"])
@pytest.mark.parametrize(
    "address",
    [
        "sqlite:///{project}",
        "sqlite:///{project}/params.yaml",
        "sqlite:///{project}/params.yaml/mlflow.db",
        "sqlite:///{project}/" + "a" * 300,
        "sqlite://",
        "sqlite:///:memory:",
        "mysql://anna:hunter22@db/x",
        "postgresql://anna:hunter22@127.0.0.1:port/x",
        "postgresql://anna:hunter22@127.0.0.1:9/x",
        "anna:hunter22@db",
        "http://:9",
        "http://anna:hunter22@127.0.0.1:port",
    ],
)
def test_address_that_is_not_a_databases_is_one_sentence_without_the_password(
    project, capsys, monkeypatch, command, setting, address
):
    monkeypatch.setenv(setting, address.format(project=project))
    before = (project / "params.yaml").read_bytes()
    error = error_of(capsys, command, "sample")
    assert "hunter22" not in error
    assert (project / "params.yaml").read_bytes() == before


@pytest.mark.parametrize("command", ("gate", "promote", "rollback", "audit"))
def test_server_that_does_not_answer_is_one_sentence_without_the_password(project, capsys, monkeypatch, command):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://anna:hunter22@127.0.0.1:9")
    monkeypatch.setenv("VOXFOUNDRY_DATABASE_URI", f"sqlite:///{project}/journal.db")
    error = error_of(capsys, command, "sample")
    assert "the MLflow server http://127.0.0.1:9 does not answer" in error


@pytest.mark.parametrize("actor", ["\x1b[31mred", "two\nlines", "a" * 101, "anna\u202e"])
def test_actor_who_cannot_be_recorded_is_refused(project, capsys, monkeypatch, actor):
    monkeypatch.setenv("VOXFOUNDRY_ACTOR", actor)
    for command in ("promote", "rollback"):
        assert "VOXFOUNDRY_ACTOR is '" in error_of(capsys, command, "sample")


def test_gate_writes_no_secret_into_its_files(project, capsys, monkeypatch):
    monkeypatch.setenv("VOXFOUNDRY_DATABASE_URI", "postgresql://anna:hunter22@127.0.0.1:port/x")
    names = {"--json": "a.json", "--markdown": "a.md", "--junit": "a.xml", "--html": "a.html"}
    error_of(capsys, "gate", "sample", *(part for pair in names.items() for part in pair))
    for name in names.values():
        assert "hunter22" not in (project / name).read_text(encoding="utf-8")
    assert "postgresql://127.0.0.1:port/x" in json.loads((project / "a.json").read_text(encoding="utf-8"))["error"]

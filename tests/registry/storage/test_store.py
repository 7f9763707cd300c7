"""Where MLflow and the journal are, and the lock between releases."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from registry.storage.database import BusyError, exclusive_lock
from registry.storage.store import StoreError, find_root, mlflow_client, open_store


def test_default_database_is_in_the_project_even_from_a_subfolder(tmp_path):
    (tmp_path / "params.yaml").touch()
    (tmp_path / "a" / "b").mkdir(parents=True)
    store = open_store(find_root(tmp_path / "a" / "b"))
    assert store.tracking_uri == store.database_uri == f"sqlite:///{tmp_path}/mlflow.db"
    assert store.sqlite_file == tmp_path / "mlflow.db"
    assert store.artifacts == (tmp_path / "mlartifacts").as_uri()
    assert list(tmp_path.iterdir()) != [] and not store.sqlite_file.exists()


@pytest.mark.parametrize("name", ["with spaces", "a#b", "a%20b", "a?b"])
def test_a_project_whose_path_has_special_characters_keeps_its_database(tmp_path, name):
    root = tmp_path / name
    root.mkdir()
    store = open_store(root)
    mlflow_client(store).create_registered_model("anna")
    assert store.sqlite_file == root / "mlflow.db"
    with create_engine(store.database_uri).connect() as connection:
        assert connection.execute(text("SELECT name FROM registered_models")).scalar() == "anna"
    assert sorted(tmp_path.rglob("*")) == [root, root / "mlflow.db"]


def test_outside_a_project_is_refused(tmp_path):
    with pytest.raises(StoreError, match=r"no params\.yaml in"):
        find_root(tmp_path)


def test_tracking_uri_is_respected(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/other.db")
    assert open_store(tmp_path).sqlite_file == tmp_path / "other.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://db/mlflow")
    store = open_store(tmp_path)
    assert (store.database_uri, store.sqlite_file) == ("postgresql://db/mlflow", None)


def test_server_needs_a_database_for_the_journal(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example")
    with pytest.raises(StoreError, match="set VOXFOUNDRY_DATABASE_URI"):
        open_store(tmp_path)
    monkeypatch.setenv("VOXFOUNDRY_DATABASE_URI", "postgres://db/journal")
    store = open_store(tmp_path)
    assert (store.tracking_uri, store.database_uri) == ("https://mlflow.example", "postgresql://db/journal")
    assert store.artifacts is None


@pytest.mark.parametrize(
    ("tracking", "database", "message"),
    [
        ("./mlruns", "", "must begin with"),
        ("databricks", "", "must begin with"),
        ("sqlite://", "", "names no file"),
        ("sqlite:///:memory:", "", "names no file"),
        ("https://mlflow.example", "mysql://db/x", "cannot live in mysql"),
    ],
)
def test_address_that_cannot_hold_a_journal_is_refused(tmp_path, monkeypatch, tracking, database, message):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking)
    monkeypatch.setenv("VOXFOUNDRY_DATABASE_URI", database)
    with pytest.raises(StoreError, match=message):
        open_store(tmp_path)


def test_lock_of_another_process_is_waited_for_and_is_free_after_a_kill(bare_store, tmp_path):
    child = os.fork()
    if child == 0:
        with exclusive_lock(bare_store, "release-anna"):
            (tmp_path / "held").touch()
            signal.pause()
    while not (tmp_path / "held").exists():
        time.sleep(0.01)
    with exclusive_lock(bare_store, "release-bob"):  # another voice is free
        pass
    with pytest.raises(BusyError, match="has held 'release-anna'"), exclusive_lock(bare_store, "release-anna", 0.2):
        pass
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with exclusive_lock(bare_store, "release-anna", 5):
        pass


def test_importing_the_registry_loads_neither_mlflow_nor_torch():
    modules = (
        "consent releases.journal releases.alias releases.requirements releases.promotion verdicts.verdict "
        "verdicts.store verdicts.gating verdicts.markdown verdicts.junit verdicts.verdict_file gate.deciding "
        "gate.policy storage.store keys.signing candidates.candidate listening.votes"
    )
    imports = "; ".join(f"import registry.{name}" for name in modules.split())
    heavy = "{name for name in ('mlflow', 'torch', 'scipy.stats', 'pandas') if name in sys.modules}"
    subprocess.run(
        [sys.executable, "-c", f"import sys; {imports}; sys.exit(str({heavy}) if {heavy} else 0)"],
        check=True,
        cwd=Path(__file__).resolve().parents[3],
    )


def test_registry_address_of_the_environment_is_ignored(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "sqlite:////nowhere/else.db")
    monkeypatch.setattr("registry.storage.store._client", lambda uri: uri)  # no database is needed
    store = open_store(tmp_path)
    assert mlflow_client(store) == os.environ["MLFLOW_REGISTRY_URI"] == store.tracking_uri


@pytest.mark.parametrize("address", ["mysql://anna:SECRET@db/x", "https://anna:SECRET@mlflow.example"])
def test_password_of_an_address_is_not_shown(tmp_path, monkeypatch, address):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.delenv("VOXFOUNDRY_DATABASE_URI", raising=False)
    with pytest.raises(StoreError) as refusal:
        open_store(tmp_path)
    assert "SECRET" not in str(refusal.value) and address.rpartition("@")[2] in str(refusal.value)

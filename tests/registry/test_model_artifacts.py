"""The files that MLflow keeps of a revoked voice are deleted, and nothing else."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from imports import ROOT
from release_desk import Desk
from release_helpers import recordings_of

from flows.commands.revocation import revoke_voice
from registry.candidates.candidate import find_candidate
from registry.consent.model_artifacts import delete_model_artifacts
from registry.consent.record import ConsentError
from registry.releases.audit import audit
from registry.storage.store import Store, open_store

PLACES = (("runs", "artifact_uri"), ("experiments", "artifact_location"), ("logged_models", "artifact_location"))


@pytest.fixture
def own_store(template: Path, tmp_path: Path) -> Store:
    """A store whose artifacts are in its own project."""
    for name in ("mlartifacts", ".vox", "releases"):
        shutil.copytree(template / name, tmp_path / name)
    shutil.copy(template / "mlflow.db", tmp_path)
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database, database:
        for table, column in PLACES:
            database.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (str(template), str(tmp_path)))
    return open_store(tmp_path)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_every_file_of_the_voice_is_deleted_and_its_versions_stay(own_store):
    artifacts = own_store.root / "mlartifacts"
    (artifacts / "of_another_voice").write_text("x")
    assert len(files(artifacts)) > 50
    assert delete_model_artifacts(own_store, "anna") == 6  # a run and a model for each of three versions
    assert files(artifacts) == [artifacts / "of_another_voice"]
    assert find_candidate(own_store, "anna", 2).version == 2
    assert delete_model_artifacts(own_store, "anna") == 0
    assert delete_model_artifacts(own_store, "nobody") == 0


def test_copied_project_deletes_its_own_files_and_none_of_the_original(store, template):
    """In a copied project, MLflow's database still names the files of the original."""
    before = len(files(template / "mlartifacts"))
    assert delete_model_artifacts(store, "anna") == 6
    assert files(store.root / "mlartifacts") == []
    assert len(files(template / "mlartifacts")) == before


def test_files_outside_the_project_are_not_deleted(template, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{template / 'mlflow.db'}")
    before = len(files(template / "mlartifacts"))
    with pytest.raises(ConsentError, match="outside this project"):
        delete_model_artifacts(open_store(tmp_path), "anna")
    assert len(files(template / "mlartifacts")) == before


def test_released_voice_is_out_of_service_and_erased_and_its_history_is_whole(own_store, monkeypatch):
    shutil.copy(ROOT / "params.yaml", own_store.root)
    monkeypatch.chdir(own_store.root)
    desk = Desk(own_store, recordings_of(own_store.root), [])
    desk.release(1, 2)
    assert revoke_voice("anna", delete="derived") == 0
    desk.assert_champion(None)
    assert files(own_store.root / "mlartifacts") == []
    assert audit(own_store, "anna", recordings_dir=desk.recordings) == ()
    desk.assert_refused("was revoked on", desk.rollback)

"""Model versions read from MLflow's database are those that MLflow itself gives."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import pytest
from release_helpers import LINEAGE, scorecard, write_scores, write_voice_folder

from registry.candidates import candidate as candidates
from registry.candidates.candidate import find_candidate, voice_folder_of
from registry.candidates.fingerprint import CandidateError
from registry.candidates.registration import register_candidate
from registry.storage import mlflow_versions
from registry.storage.mlflow_versions import local_artifact, read_version
from registry.storage.store import mlflow_client


@pytest.fixture
def registered(store):
    """Return the store with two versions of the voice berta, registered from a folder with a difficult name."""
    for number in (1, 2):
        folder = write_voice_folder(store.root / f"build_{number}/a voice ü", f"weights {number}")
        scores = write_scores(store.root / f"build_{number}", scorecard("berta"))
        register_candidate(store, "berta", voice_folder=folder, scorecard_path=scores, lineage=LINEAGE)
    return store


def test_version_is_the_one_that_mlflow_gives(registered):
    row = read_version(registered, "berta", 2)
    version = mlflow_client(registered).get_model_version("berta", "2")
    assert (row.name, row.version, row.run_id, row.tags) == (version.name, 2, version.run_id, dict(version.tags))


def test_artifact_is_the_one_that_mlflow_gives(registered):
    candidate = find_candidate(registered, "berta", 2)
    folder = voice_folder_of(registered, candidate)
    uri = mlflow_client(registered).get_model_version_download_uri("berta", "2")
    assert str(folder) == f"{uri.removeprefix('file://')}/{candidate.voice_path}"
    assert (folder / "gpt/model.safetensors").read_text() == "gpt weights 2"


def test_candidate_and_its_folder_need_no_mlflow(registered, monkeypatch):
    monkeypatch.setattr(candidates, "mlflow_client", lambda store: pytest.fail("MLflow was asked"))
    assert voice_folder_of(registered, find_candidate(registered, "berta", 1)).is_dir()


def test_deleted_version_is_left_to_mlflow(registered):
    mlflow_client(registered).delete_model_version("berta", "1")
    assert read_version(registered, "berta", 1) is None
    with pytest.raises(CandidateError, match="no version 1"):
        find_candidate(registered, "berta", 1)


@pytest.mark.parametrize(("voice", "version"), [("berta", 3), ("carla", 1)])
def test_absent_version_is_left_to_mlflow(registered, voice, version):
    assert read_version(registered, voice, version) is None


def test_server_and_absent_database_are_left_to_mlflow(bare_store):
    assert read_version(bare_store, "berta", 1) is None
    assert not (bare_store.root / "mlflow.db").exists()
    assert read_version(replace(bare_store, tracking_uri="http://127.0.0.1:9"), "berta", 1) is None


def test_database_without_mlflows_tables_is_left_to_mlflow(bare_store):
    sqlite3.connect(bare_store.root / "mlflow.db").executescript("CREATE TABLE other (number INTEGER)")
    assert read_version(bare_store, "berta", 1) is None


@pytest.mark.parametrize("path", ["../voice", "/etc", "artifacts/nothing"])
def test_path_outside_or_absent_is_left_to_mlflow(registered, path):
    assert local_artifact(registered, "berta", 1, path) is None


def test_remote_artifact_is_left_to_mlflow(registered, monkeypatch):
    row = read_version(registered, "berta", 1)
    monkeypatch.setattr(mlflow_versions, "read_version", lambda *_: replace(row, location="s3://bucket/voice"))
    assert local_artifact(registered, "berta", 1, "artifacts") is None

"""A project that was moved or copied has its own artifacts, whatever absolute paths MLflow recorded."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from urllib.parse import quote

import pytest
from release_desk import Desk
from release_helpers import LINEAGE, recordings_of, scorecard, write_scores, write_voice_folder

from registry.candidates.candidate import (
    find_candidate,
    model_folder_of,
    score_folder_of,
    scorecard_of,
    voice_folder_of,
)
from registry.candidates.fingerprint import CandidateError
from registry.candidates.registration import register_candidate
from registry.candidates.rescoring import find_comparable_scorecard, save_rescore
from registry.releases.audit import audit
from registry.storage.store import Store, open_store


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def register(store: Store, version: int, wer: float) -> int:
    root = store.root / f"later_{version}"
    candidate = register_candidate(
        store,
        "anna",
        voice_folder=write_voice_folder(root / "voice", f"weights {version}"),
        scorecard_path=write_scores(root, scorecard(wer=wer)),
        lineage=LINEAGE,
    )
    return candidate.version


@pytest.fixture
def other(desk, tmp_path) -> Desk:
    """Return a copy of the desk's project with a released version, in a folder with a difficult name."""
    desk.release(1)
    root = tmp_path / "copy" / "mlartifacts of a %20 ü"
    shutil.copytree(desk.store.root, root, ignore=shutil.ignore_patterns("copy", "build_*"))
    return Desk(open_store(root), recordings_of(root), [])


def test_moved_project_speaks_gates_releases_and_audits(desk, other):
    for name in ("mlartifacts", "mlflow.db", "releases"):
        path = desk.store.root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert audit(other.store, "anna") == ()
    other.gate(2)
    assert other.promote(2).changed
    assert other.rollback().changed
    candidate = find_candidate(other.store, "anna", 1)
    assert voice_folder_of(other.store, candidate).is_relative_to(other.store.root)
    assert scorecard_of(other.store, candidate) == scorecard(wer=0.2)
    assert score_folder_of(other.store, candidate).is_relative_to(other.store.root)


def test_copied_project_reads_its_own_artifacts_though_the_original_is_there(desk, other):
    for store in (desk.store, other.store):
        assert model_folder_of(store, find_candidate(store, "anna", 1)).is_relative_to(store.root / "mlartifacts")
    shutil.rmtree(other.store.root / "mlartifacts")
    with pytest.raises(CandidateError, match=r"mlartifacts.* does not exist, because MLflow recorded .*; copy the"):
        model_folder_of(other.store, find_candidate(other.store, "anna", 1))


def test_copied_project_writes_into_its_own_artifacts(desk, other):
    before = contents(desk.store.root / "mlartifacts")
    assert register(other.store, 4, wer=0.0) == 4
    save_rescore(other.store, find_candidate(other.store, "anna", 4), scorecard(wer=0.1), ())
    assert contents(desk.store.root / "mlartifacts") == before
    for version in (1, 4):
        candidate = find_candidate(other.store, "anna", version)
        assert model_folder_of(other.store, candidate).is_relative_to(other.store.root / "mlartifacts")
        score_folder_of(other.store, candidate)
    fourth = find_candidate(other.store, "anna", 4)
    assert find_comparable_scorecard(other.store, fourth, like=scorecard()) == scorecard(wer=0.1)


def test_projects_that_share_a_database_read_artifacts_where_they_were_registered(
    desk, template, tmp_path, monkeypatch
):
    second = tmp_path / "second"
    second.mkdir()
    shutil.copytree(desk.store.root / ".vox", second / ".vox")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{desk.store.root / 'mlflow.db'}")
    store = open_store(second)
    folder = model_folder_of(store, find_candidate(store, "anna", 1))
    assert folder.is_relative_to(template / "mlartifacts")


def test_experiment_that_somebody_keeps_elsewhere_stays_there(store, tmp_path):
    elsewhere = tmp_path / "a disk of its own"
    database = sqlite3.connect(store.root / "mlflow.db")
    with database:
        database.execute("UPDATE experiments SET artifact_location = ?", (f"file://{quote(str(elsewhere))}",))
    assert register(store, 4, wer=0.0) == 4
    assert model_folder_of(store, find_candidate(store, "anna", 4)).is_relative_to(elsewhere)
    assert model_folder_of(store, find_candidate(store, "anna", 1)).is_relative_to(store.root)

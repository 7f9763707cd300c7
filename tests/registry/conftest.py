"""A store with three registered versions, made once, because MLflow migrates its database for seconds at first use."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from release_desk import Desk
from release_helpers import LINEAGE, recordings_of, scorecard, write_scores, write_voice_folder

from registry.candidates.registration import register_candidate
from registry.storage.store import Store, open_store

# MLflow leaves the first two behind in the environment of a process that registered something.
SETTINGS = (
    "MLFLOW_TRACKING_URI",
    "MLFLOW_REGISTRY_URI",
    "VOXFOUNDRY_DATABASE_URI",
    "VOXFOUNDRY_SIGNING_KEY",
    "VOXFOUNDRY_TRUSTED_KEYS",
    "VOXFOUNDRY_ACTOR",
)
FOLDERS = ("mlartifacts", "releases", ".vox")  # beside mlflow.db


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def bare_store(tmp_path: Path) -> Store:
    """A store whose database does not exist yet, for tests that need no MLflow."""
    return open_store(tmp_path)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with versions 1 (WER 0.2), 2 (0.1) and 3 (0.4, above the threshold) of the voice anna, not gated."""
    root = tmp_path_factory.mktemp("template")
    for name in SETTINGS:
        os.environ.pop(name, None)
    store = open_store(root)
    for number, wer in ((1, 0.2), (2, 0.1), (3, 0.4)):
        folder = root / f"build_{number}"
        voice_folder = write_voice_folder(folder / "voice", f"weights {number}")
        scores = write_scores(folder, scorecard(wer=wer))
        candidate = register_candidate(store, "anna", voice_folder=voice_folder, scorecard_path=scores, lineage=LINEAGE)
        assert candidate.version == number
    return root


@pytest.fixture
def store(template: Path, tmp_path: Path) -> Store:
    """A copy of the template for one test."""
    shutil.copy(template / "mlflow.db", tmp_path / "mlflow.db")
    for name in FOLDERS:
        shutil.copytree(template / name, tmp_path / name)
    return open_store(tmp_path)


@pytest.fixture
def desk(store: Store) -> Desk:
    return Desk(store, recordings_of(store.root), [])


@pytest.fixture
def cold_desk(template: Path, tmp_path: Path) -> Iterator[Callable[[Desk], Desk]]:
    """Copy a desk to a new database that this process never opened, as a forked process needs it."""

    def copy(desk: Desk, name: str = "cold") -> Desk:
        root = tmp_path / name
        root.mkdir()
        shutil.copy(desk.store.root / "mlflow.db", root / "mlflow.db")
        for part in FOLDERS:
            shutil.copytree(desk.store.root / part, root / part)
        return Desk(open_store(root), recordings_of(root), [])

    yield copy

"""A store with three registered versions, made once, because MLflow migrates its database for seconds at first use."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from postgres_server import Postgres
from release_desk import Desk
from release_helpers import LINEAGE, recordings_of, scorecard, write_scores, write_voice_folder

from registry.candidates.registration import register_candidate
from registry.storage.store import Store, open_store

# MLflow leaves the first two behind in the environment of a process that registered something.
SETTINGS = (
    "MLFLOW_TRACKING_URI",
    "MLFLOW_REGISTRY_URI",
    "VOXFOUNDRY_ANCHOR",
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
    _register_three(open_store(root))
    return root


@pytest.fixture(scope="session")
def postgres_template(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The name of a database of PostgreSQL with the same three versions, and the project of their artifacts."""
    database = postgres.make_database()
    address = postgres.url(database)
    root = tmp_path_factory.mktemp("template")
    _register_three(Store(root, address, address, (root / "mlartifacts").as_uri()))
    return database, root


def _register_three(store: Store) -> None:
    for number, wer in ((1, 0.2), (2, 0.1), (3, 0.4)):
        folder = store.root / f"build_{number}"
        voice_folder = write_voice_folder(folder / "voice", f"weights {number}")
        scores = write_scores(folder, scorecard(wer=wer))
        candidate = register_candidate(store, "anna", voice_folder=voice_folder, scorecard_path=scores, lineage=LINEAGE)
        assert candidate.version == number
    # A test may ask for the template after its own settings were removed
    for name in SETTINGS:
        os.environ.pop(name, None)


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A copy of the template for one test. On PostgreSQL the artifacts stay where they are and are only read.

    A test with `@pytest.mark.parametrize("store", ["postgresql"], indirect=True)` runs on PostgreSQL.
    """
    if getattr(request, "param", "sqlite") == "sqlite":
        template = request.getfixturevalue("template")
        shutil.copy(template / "mlflow.db", tmp_path / "mlflow.db")
        _copy_folders(template, tmp_path)
        return open_store(tmp_path)
    postgres, (database, template) = map(request.getfixturevalue, ("postgres", "postgres_template"))
    _copy_folders(template, tmp_path)
    address = postgres.url(postgres.make_database(database))
    return Store(tmp_path, address, address, (tmp_path / "mlartifacts").as_uri())


def _copy_folders(source: Path, target: Path) -> None:
    for name in FOLDERS:
        shutil.copytree(source / name, target / name)


@pytest.fixture
def desk(store: Store) -> Desk:
    return Desk(store, recordings_of(store.root), [])


@pytest.fixture
def cold_desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[Desk], Desk]]:
    """Copy a desk to a new database that this process never opened, as a forked process needs it."""

    def copy(desk: Desk, name: str = "cold") -> Desk:
        root = tmp_path / name
        root.mkdir()
        _copy_folders(desk.store.root, root)
        if desk.store.sqlite_file is not None:
            shutil.copy(desk.store.root / "mlflow.db", root / "mlflow.db")
            return Desk(open_store(root), recordings_of(root), [])
        address = request.getfixturevalue("postgres").copy_of(desk.store.database_uri)
        return Desk(Store(root, address, address, desk.store.artifacts), recordings_of(root), [])

    yield copy

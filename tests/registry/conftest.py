"""A store with three registered versions, made once: MLflow migrates its database for seconds at first use."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from release_helpers import LINEAGE, TODAY, policy, recordings_of, scorecard, write_scores, write_voice_folder

from registry.candidates.candidate import register_candidate
from registry.releases.alias import AliasMove
from registry.releases.promotion import promote, rollback
from registry.storage.store import Store, mlflow_client, open_store
from registry.verdicts.gating import gate_candidate
from registry.verdicts.store import SignedVerdict

# MLflow leaves the first two behind in the environment of a process that registered something.
SETTINGS = (
    "MLFLOW_TRACKING_URI",
    "MLFLOW_REGISTRY_URI",
    "VOXFOUNDRY_DATABASE_URI",
    "VOXFOUNDRY_SIGNING_KEY",
    "VOXFOUNDRY_TRUSTED_KEYS",
    "VOXFOUNDRY_ACTOR",
)


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def bare_store(tmp_path: Path) -> Store:
    """A store whose database does not exist yet; for what needs no MLflow."""
    return open_store(tmp_path)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with versions 1 (WER 0.2), 2 (0.1) and 3 (0.4, above the bar) of the voice anna, none judged."""
    root = tmp_path_factory.mktemp("template")
    for name in SETTINGS:
        os.environ.pop(name, None)
    store = open_store(root)
    for number, wer in ((1, 0.2), (2, 0.1), (3, 0.4)):
        folder = root / f"build_{number}"
        voice_folder = write_voice_folder(folder / "voice", f"weights {number}")
        scores = write_scores(folder, scorecard(wer=wer))
        assert register_candidate(store, "anna", voice_folder, scores, LINEAGE).version == number
    return root


@pytest.fixture
def store(template: Path, tmp_path: Path) -> Store:
    """The template's database in a project of the test's own; the artifacts stay where they are, to be read only."""
    shutil.copy(template / "mlflow.db", tmp_path / "mlflow.db")
    return open_store(tmp_path)


@dataclass
class Desk:
    """A release manager at work on the voice anna: the calls with everything filled in that a test does not vary."""

    store: Store
    recordings: Path
    spoken: list[str]  # what the smoke test was asked to say

    def judge(self, version: int, first_release: bool = False, **changes: object) -> SignedVerdict:
        return gate_candidate(
            self.store, "anna", policy=policy(**changes), version=version, first_release=first_release
        )  # fmt: skip

    def promote(self, version: int | None, first_release: bool = False, **changes: object) -> AliasMove:
        settings = {
            "policy": policy(),
            "recordings_dir": self.recordings,
            "smoke_text": "hello",
            "version": version,
            "first_release": first_release,
            "actor": "tester",
            "today": TODAY,
            "smoke": lambda folder, text: self.spoken.append(text),
        }
        return promote(self.store, "anna", **(settings | changes))

    def rollback(self, to: int | None = None) -> AliasMove:
        return rollback(self.store, "anna", recordings_dir=self.recordings, to=to, actor="tester", today=TODAY)

    def release(self, *versions: int) -> None:
        """Judge and promote one version after another, the first as the first release."""
        for index, version in enumerate(versions):
            first = index == 0
            self.judge(version, first_release=first)
            assert self.promote(version, first_release=first).changed

    def alias(self) -> int | None:
        """What MLflow says, asked without our code."""
        version = mlflow_client(self.store).get_registered_model("anna").aliases.get("champion")
        return None if version is None else int(version)


@pytest.fixture
def desk(store: Store) -> Desk:
    return Desk(store, recordings_of(store.root), [])


@pytest.fixture
def cold_desk(template: Path, tmp_path: Path) -> Iterator[Callable[[Desk], Desk]]:
    """Copies a desk to a new database that this process never opened: what a forked process may use."""

    def copy(desk: Desk, name: str = "cold") -> Desk:
        root = tmp_path / name
        root.mkdir()
        shutil.copy(desk.store.root / "mlflow.db", root / "mlflow.db")
        if (desk.store.root / ".vox").is_dir():
            shutil.copytree(desk.store.root / ".vox", root / ".vox")
        return Desk(open_store(root), recordings_of(root), [])

    yield copy

"""Registries to abuse: on SQLite, on PostgreSQL, and behind an MLflow server. Each has the voice anna."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlflow_server import mlflow_server
from postgres_server import Postgres, running_postgres
from release_desk import Desk
from release_helpers import JUDGES, LINEAGE, policy, recordings_of, scorecard, write_scores, write_voice_folder
from ruamel.yaml import YAML

from benchmarks.release_abuse.forks import in_fork
from metrics.normalize import normalizer_of
from metrics.prompts import load_prompts, write_lock
from metrics.scores import Scorecard
from registry.candidates.registration import register_candidate
from registry.storage.store import Store, open_store

ROOT = Path(__file__).resolve().parents[2]
VOICE = "anna"
PROMPTS, N_PROMPTS = Path("prompts/en.yaml"), 10
SENTENCE = "red sun table lamp door cup paper chair wall box"  # words as long as one, two, three and so on
SETTINGS = (
    "MLFLOW_TRACKING_URI",
    "MLFLOW_REGISTRY_URI",
    "VOXFOUNDRY_ACTOR",
    "VOXFOUNDRY_ANCHOR",
    "VOXFOUNDRY_DATABASE_URI",
    "VOXFOUNDRY_SIGNING_KEY",
    "VOXFOUNDRY_TRUSTED_KEYS",
)


@dataclass(frozen=True)
class Place:
    """A project with its registry.

    Attributes:
        name: Where the registry is, for the tables.
        store: Its addresses.
        postgres: The server that holds its database, None on SQLite.
    """

    name: str
    store: Store
    postgres: Postgres | None = None

    @property
    def desk(self) -> Desk:
        """Return a release manager's desk. Use it in a fork, so that this process never opens the database."""
        return Desk(self.store, self.store.root / "data/1_recordings" / VOICE, [])

    def copy(self, root: Path) -> Place:
        """Copy project and database. On PostgreSQL the artifacts stay where they are and are only read."""
        shutil.copytree(self.store.root, root, symlinks=True)
        if self.postgres is None:
            return Place(self.name, open_store(root))
        address = self.postgres.copy_of(self.store.database_uri)
        return Place(self.name, Store(root, address, address, self.store.artifacts), self.postgres)

    def enter(self) -> None:
        """Make the project the working folder, and its registry that of the commands, in this process."""
        os.chdir(self.store.root)
        for name in SETTINGS:
            os.environ.pop(name, None)
        if self.postgres is not None:
            os.environ["MLFLOW_TRACKING_URI"] = self.store.tracking_uri

    def remove(self) -> None:
        """Delete the project and its database."""
        shutil.rmtree(self.store.root, ignore_errors=True)
        if self.postgres is not None:
            name = self.store.database_uri.rpartition("/")[2]
            self.postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def open_place(name: str, root: Path) -> Iterator[Place]:
    """Make an empty project with a registry.

    Args:
        name: SQLite, PostgreSQL, or MLflow server (which has its tables in PostgreSQL, as the journal).
        root: The project's folder, which is made.
    """
    root.mkdir(parents=True)
    for file in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / file, root)
    recordings_of(root)
    _write_rules(root)
    if name == "SQLite":
        yield Place(name, Store(root, *[f"sqlite:///{root}/mlflow.db"] * 2, (root / "mlartifacts").as_uri()))
        return
    with running_postgres() as postgres:
        address = postgres.url(postgres.make_database())
        if name == "PostgreSQL":
            yield Place(name, Store(root, address, address, (root / "mlartifacts").as_uri()), postgres)
            return
        journal = postgres.url(postgres.make_database())
        (root / "server").mkdir()
        with mlflow_server(root / "server", "--backend-store-uri", address) as server:
            yield Place(name, Store(root, server, journal, None), postgres)


def _write_rules(root: Path) -> None:
    """Let the project have the policy and the prompts that its candidates are judged by."""
    yaml = YAML()
    params = yaml.load(root / "params.yaml")
    params["voices"] = [VOICE]
    params["gate"] = policy().model_dump(mode="json")
    params["evaluate"] |= {"prompts": PROMPTS.parent.name, "lanes": {}}
    yaml.dump(params, root / "params.yaml")
    prompts = [
        {"id": f"p{number:03d}", "category": "everyday", "text": SENTENCE + "!" * number, "normalized": SENTENCE}
        for number in range(N_PROMPTS)
    ]
    (root / PROMPTS).parent.mkdir()
    yaml.dump({"format": 1, "language": "en", "version": 1, "seeds": [0, 1], "prompts": prompts}, root / PROMPTS)
    write_lock(root / PROMPTS)


def build_candidate(root: Path, number: int, *, wer: float = 0.1) -> tuple[Path, Path]:
    """Write the files of a candidate, and return its voice folder and its scorecard.

    Args:
        root: Of the project.
        number: Of the candidate, which its weights name.
        wer: Errors per word, a multiple of 0.1.
    """
    folder = root / "build" / str(number)
    if not folder.exists():
        write_voice_folder(folder / "voice", f"weights {number}")
        write_scores(folder, _scorecard(load_prompts(root / PROMPTS).sha256, wer))
    return folder / "voice", folder / "scorecard.json"


def _scorecard(prompts_sha256: str, wer: float) -> Scorecard:
    """Return scores of the project's prompts, normalised as this installation does it."""
    normalizer = normalizer_of("en")
    judges = JUDGES.model_copy(update={"normalizer": normalizer.name, "normalizer_version": normalizer.version})
    card = scorecard(n_prompts=N_PROMPTS, wer=wer, prompts_sha256=prompts_sha256, judges=judges)
    words = dict(zip(card.rows[0].reference.split(), SENTENCE.split(), strict=True))
    words |= {word.upper(): other.upper() for word, other in words.items()}  # those that were misread

    def translate(text: str) -> str:
        return " ".join(words[word] for word in text.split())

    rows = [
        row.model_copy(update={"reference": translate(row.reference), "hypothesis": translate(row.hypothesis)})
        for row in card.rows
    ]
    return card.model_copy(update={"rows": tuple(rows)})


def register(store: Store, number: int) -> int:
    """Register candidate `number` and return its version."""
    voice, scores = build_candidate(store.root, number)
    return register_candidate(store, VOICE, voice_folder=voice, scorecard_path=scores, lineage=LINEAGE).version


def fill(place: Place, n_candidates: int, *, n_released: int) -> None:
    """Register candidates 1 to n, and release the first of them one after another. It runs in a fork."""
    in_fork(_fill, place, n_candidates, n_released)


def _fill(place: Place, n_candidates: int, n_released: int) -> None:
    place.enter()
    for number in range(1, n_candidates + 1):
        assert register(place.store, number) == number
    place.desk.release(*range(1, n_released + 1))

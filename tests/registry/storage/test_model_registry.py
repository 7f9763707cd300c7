"""Every way to MLflow's model registry gives what MLflow's own client gives, call by call, on the same database."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mlflow_server import mlflow_server
from process_helpers import environment

from registry.storage import model_registry
from registry.storage.mlflow_calls import ClientRegistry
from registry.storage.mlflow_rest import RestRegistry
from registry.storage.mlflow_sql import SCHEMA, SqlRegistry
from registry.storage.model_version import ModelRegistry, ModelRegistryError
from registry.storage.store import Store, mlflow_client, open_store

NAMES = ("anna", "bob", "nobody")
ALIASES = ("champion", "challenger")
VERSIONS = (1, 2, 3, 4)
IDS = ("1" * 64, "2" * 64, "f" * 64)
TEXTS = ("plain", "with 'quotes'", "ü ñ 語", "two\nlines", "%41 ? # &", "")
CHANGES = st.one_of(
    st.tuples(st.just("set_alias"), st.sampled_from(NAMES), st.sampled_from(ALIASES), st.sampled_from(VERSIONS)),
    st.tuples(st.just("delete_alias"), st.sampled_from(NAMES), st.sampled_from(ALIASES)),
    st.tuples(st.just("set_model_tag"), st.sampled_from(NAMES), st.just("a key"), st.sampled_from(TEXTS)),
)
A_BIT_OF_EVERYTHING = (
    ("set_alias", "anna", "champion", 1),
    ("set_alias", "anna", "champion", 2),
    ("set_alias", "anna", "challenger", 2),
    ("set_alias", "anna", "champion", 3),
    ("set_alias", "anna", "champion", 4),
    ("set_alias", "nobody", "champion", 1),
    ("delete_alias", "anna", "champion"),
    ("delete_alias", "anna", "champion"),
    ("delete_alias", "nobody", "champion"),
    *(("set_model_tag", "bob", "a key", text) for text in TEXTS),
    ("set_model_tag", "nobody", "a key", "lost"),
)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose mlflow.db holds anna with versions 1, 2 and 4, of which 3 was deleted, and bob with version 1."""
    root = tmp_path_factory.mktemp("filled")
    client = mlflow_client(open_store(root))
    run = client.create_run(client.create_experiment("anna", artifact_location=(root / "files").as_uri()))
    for name, n_versions in (("anna", 4), ("bob", 1)):
        client.create_registered_model(name, tags={"kind": "voice"})
        for number in range(n_versions):
            tags = {"candidate_id": IDS[number % 2], "text": TEXTS[number]}
            client.create_model_version(name, f"file:///{name}/{number}", run.info.run_id, tags=tags)
    client.delete_model_version("anna", "3")
    client.set_terminated(run.info.run_id)
    return root


def _copy(filled: Path, folder: Path) -> Store:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(filled / "mlflow.db", folder / "mlflow.db")
    return open_store(folder)


def _everything(registry: ModelRegistry, run_id: str) -> dict[str, Any]:
    """Return the answer to every question about every name."""
    answers = {("run_location", run_id): registry.run_location(run_id)}
    answers["run_location", "0" * 32] = registry.run_location("0" * 32)
    for name in NAMES:
        answers["model_tags", name] = registry.model_tags(name)
        answers["find_versions", name, None] = registry.find_versions(name, None)
        for candidate_id in IDS:
            answers["find_versions", name, candidate_id] = registry.find_versions(name, candidate_id)
        for alias in ALIASES:
            answers["read_alias", name, alias] = registry.read_alias(name, alias)
        for version in (*VERSIONS, 99):
            answers["find_version", name, version] = registry.find_version(name, version)
            answers["version_location", name, version] = registry.version_location(name, version)
    return answers


def _run_id(store: Store) -> str:
    return sqlite3.connect(store.root / "mlflow.db").execute("SELECT run_uuid FROM runs").fetchone()[0]


def _is_refused(registry: ModelRegistry, change: tuple) -> bool:
    try:
        getattr(registry, change[0])(*change[1:])
    except ModelRegistryError:
        return True
    return False


def test_answers_show_something(filled):
    answers = _everything(SqlRegistry(open_store(filled)), _run_id(open_store(filled)))
    assert [row.version for row in answers["find_versions", "anna", None]] == [4, 2, 1]
    assert [row.version for row in answers["find_versions", "anna", IDS[1]]] == [4, 2]
    assert answers["find_version", "anna", 2].tags == {"candidate_id": IDS[1], "text": TEXTS[1]}
    assert answers["version_location", "anna", 2] == "file:///anna/1"
    assert answers["find_version", "anna", 3] is None and answers["model_tags", "nobody"] is None
    assert answers["run_location", _run_id(open_store(filled))].startswith((filled / "files").as_uri())


@pytest.fixture(scope="module")
def pair(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Store]:
    """Two copies of the filled database. MLflow takes half a second to open one."""
    folder = tmp_path_factory.mktemp("pair")
    return _copy(filled, folder / "sql"), _copy(filled, folder / "client")


@given(changes=st.lists(CHANGES, max_size=10))
@example(changes=list(A_BIT_OF_EVERYTHING))
@settings(max_examples=8, deadline=None)
def test_sql_answers_and_changes_as_mlflows_client_does(pair, changes):
    by_sql, by_client = pair
    for store in pair:
        with sqlite3.connect(store.root / "mlflow.db") as connection:
            connection.executescript("DELETE FROM registered_model_aliases; DELETE FROM registered_model_tags")
    for change in changes:
        assert _is_refused(SqlRegistry(by_sql), change) == _is_refused(ClientRegistry(by_client), change)
    run_id = _run_id(by_sql)
    answers = _everything(SqlRegistry(by_sql), run_id)
    assert answers == _everything(ClientRegistry(by_client), run_id)
    assert answers == _everything(ClientRegistry(by_sql), run_id)  # MLflow reads what we wrote


@pytest.fixture(scope="module")
def served(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Store]]:
    """A real MLflow server over a copy of the filled database, as it was at each call."""
    folder = tmp_path_factory.mktemp("served")
    store = _copy(filled, folder)
    with mlflow_server(folder) as address:
        yield lambda: replace(store, tracking_uri=address)


def test_rest_answers_and_changes_as_mlflows_client_does(filled, served, tmp_path):
    by_rest, by_client = served(), _copy(filled, tmp_path / "client")
    run_id = _run_id(by_client)
    for change in A_BIT_OF_EVERYTHING:
        assert _is_refused(RestRegistry(by_rest), change) == _is_refused(ClientRegistry(by_client), change), change
    answers = _everything(RestRegistry(by_rest), run_id)
    assert answers == _everything(ClientRegistry(by_client), run_id)
    assert answers == _everything(SqlRegistry(replace(by_rest, tracking_uri=by_rest.database_uri)), run_id)


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_sql_answers_and_changes_on_postgresql_as_mlflows_client_does(store):
    (run_id, *_) = (row.run_id for row in SqlRegistry(store).find_versions("anna", None))
    refused = [
        change for change in (*A_BIT_OF_EVERYTHING, *A_BIT_OF_EVERYTHING) if _is_refused(SqlRegistry(store), change)
    ]
    assert {change[1] for change in refused} == {"anna", "bob", "nobody"}  # no version 4, and two names without a model
    assert len(_everything(SqlRegistry(store), run_id)["find_versions", "anna", None]) == 3
    assert _everything(SqlRegistry(store), run_id) == _everything(ClientRegistry(store), run_id)


def test_schema_is_the_one_that_mlflow_expects():
    from mlflow.store.db.utils import _get_latest_schema_revision

    assert _get_latest_schema_revision() == SCHEMA


def test_database_of_another_schema_is_left_to_mlflow(filled, tmp_path):
    store = _copy(filled, tmp_path)
    assert isinstance(model_registry.open_registry(store), SqlRegistry)
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'another'")
    assert isinstance(model_registry.open_registry(store), ClientRegistry)
    with pytest.raises(ModelRegistryError, match="mlflow db upgrade"):
        model_registry.read_alias(store, "anna", "champion")


@pytest.mark.parametrize("is_there", [False, True], ids=["no database", "only the journal"])
def test_before_mlflow_was_used_nothing_is_found_and_nothing_is_made(tmp_path, is_there):
    store = open_store(tmp_path)
    if is_there:
        sqlite3.connect(tmp_path / "mlflow.db").executescript("CREATE TABLE other (number INTEGER)")
    before = (tmp_path / "mlflow.db").read_bytes() if is_there else None
    assert model_registry.read_alias(store, "anna", "champion") is None
    assert model_registry.find_versions(store, "anna") == []
    assert model_registry.model_tags(store, "anna") is None
    model_registry.delete_alias(store, "anna", "champion")
    with pytest.raises(ModelRegistryError, match="no version 1"):
        model_registry.set_alias(store, "anna", "champion", 1)
    assert ((tmp_path / "mlflow.db").read_bytes() if (tmp_path / "mlflow.db").exists() else None) == before


@pytest.mark.parametrize("version", [0, -1, 2**31, 2**63, 2**200])
def test_number_that_no_version_can_have_is_not_found(filled, version):
    store = open_store(filled)
    assert model_registry.find_version(store, "anna", version) is None
    assert model_registry.version_location(store, "anna", version) is None
    with pytest.raises(ModelRegistryError, match="not the number of a version"):
        model_registry.set_alias(store, "anna", "champion", version)


@pytest.mark.parametrize("name", ["x' or name='anna", "", "a" * 300, "..", "anna\n", "an na"])
def test_name_that_no_voice_can_have_is_not_found(filled, name):
    assert model_registry.find_versions(open_store(filled), name) == []
    assert model_registry.find_versions(open_store(filled), "anna", f"{name}' or tags.candidate_id='{IDS[0]}") == []


def test_sql_way_imports_no_mlflow(filled):
    code = (
        "import sys; from pathlib import Path; from registry.storage import model_registry as m; "
        "from registry.storage.store import open_store; s = open_store(Path(sys.argv[1])); "
        "assert m.find_version(s, 'anna', 1) and m.find_versions(s, 'anna'); m.read_alias(s, 'anna', 'champion'); "
        "sys.exit('mlflow' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, filled], check=True, env=environment())

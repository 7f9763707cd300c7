"""MLflow's tables are made all at once or not at all, and what the database held before stays."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from imports import ROOT
from mlflow import MlflowClient

from registry.storage import mlflow_tables
from registry.storage.mlflow_tables import create_mlflow_tables


def schema(database: Path) -> dict[str, list[str]]:
    """Return the lines of every table and index, sorted, because MLflow writes constraints in any order."""
    with sqlite3.connect(database) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    lines = {name: sorted(line.strip(" \t,") for line in sql.splitlines()) for name, sql in rows}
    return {name: sorted_lines for name, sorted_lines in lines.items() if not name.startswith("sqlite_")}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A database with the tables that the product makes."""
    database = tmp_path_factory.mktemp("made") / "mlflow.db"
    create_mlflow_tables(database)
    return database


def test_tables_are_those_of_mlflow_and_mlflow_works_with_them(made, tmp_path):
    own = tmp_path / "own.db"
    MlflowClient(f"sqlite:///{own}").search_experiments(max_results=1)
    assert schema(made) == schema(own)
    uri = f"sqlite:///{made}"
    client = MlflowClient(uri, registry_uri=uri)  # without it, MLflow takes the registry that this process opened last
    client.create_registered_model("anna")
    assert [model.name for model in client.search_registered_models()] == ["anna"]


def test_interrupted_copy_leaves_the_file_unchanged_and_the_next_one_completes_it(made, tmp_path, monkeypatch):
    database = tmp_path / "mlflow.db"
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE journal (number INTEGER)")
        connection.execute("INSERT INTO journal VALUES (7)")
    before = schema(database)
    connect, n_statements = sqlite3.connect, []

    class Interrupted(sqlite3.Connection):
        def execute(self, sql, *arguments):
            n_statements.append(sql)
            if len(n_statements) > 40:
                raise KeyboardInterrupt
            return super().execute(sql, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(mlflow_tables.sqlite3, "connect", lambda *a, **k: connect(*a, **k, factory=Interrupted))
        with pytest.raises(KeyboardInterrupt):
            mlflow_tables._copy_tables(made, database)
    assert any(sql.startswith("CREATE TABLE") for sql in n_statements)
    assert schema(database) == before
    mlflow_tables._copy_tables(made, database)
    assert schema(database) == schema(made) | before
    with sqlite3.connect(database) as connection:
        assert connection.execute("SELECT number FROM journal").fetchall() == [(7,)]


def test_copies_at_the_same_time_make_the_tables_once(made, tmp_path):
    database = tmp_path / "mlflow.db"
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: mlflow_tables._copy_tables(made, database), range(4)))
    assert schema(database) == schema(made)
    with sqlite3.connect(database) as connection:
        assert len(connection.execute("SELECT * FROM alembic_version").fetchall()) == 1


def test_process_killed_while_mlflow_migrates_does_not_stop_the_next_one(tmp_path):
    database = tmp_path / "mlflow.db"
    code = "import sys; from pathlib import Path; "
    code += "from registry.storage.mlflow_tables import create_mlflow_tables as create; "
    code += "import mlflow; print('imported', flush=True); create(Path(sys.argv[1]))"
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    for wait in (0.3, 1.0):
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(database)], env=environment, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        assert process.stdout is not None and process.stdout.readline().strip() == "imported"
        while not list(tmp_path.glob("mlflow-tables-*/mlflow.db")):
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.01)
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not database.exists() or "alembic_version" in schema(database)
        for left in tmp_path.glob("mlflow-tables-*/mlflow.db"):
            left.unlink()
    create_mlflow_tables(database)
    assert "alembic_version" in schema(database)

"""MLflow's tables in a SQLite file, all or none.

MLflow makes them in some seconds of migrations at its first use, each on its own. Whoever is killed then leaves a
database with a part of them, which MLflow can neither use nor complete. So they are made in a file that nobody knows,
and come over in one transaction, beside what the database already holds, which may be the journal.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable
from pathlib import Path

MARKER_TABLE = "alembic_version"  # the last word of every migration: where it is, MLflow was here
WAIT_SECONDS = 60.0


def create_mlflow_tables(database: Path) -> None:
    """Make them where there are none; a second call, or a second process at the same time, changes nothing."""
    if _has_tables(database):
        return
    from mlflow import MlflowClient

    with tempfile.TemporaryDirectory(prefix="mlflow-tables-") as folder:
        made = Path(folder) / "mlflow.db"
        MlflowClient(f"sqlite:///{made}").search_experiments(max_results=1)
        database.parent.mkdir(parents=True, exist_ok=True)
        _copy_tables(made, database)


def _has_tables(database: Path) -> bool:
    if not database.is_file():
        return False
    connection = sqlite3.connect(database, timeout=WAIT_SECONDS)
    try:
        return _is_marked(connection)
    finally:
        connection.close()


def _is_marked(connection: sqlite3.Connection) -> bool:
    found = connection.execute("SELECT 1 FROM main.sqlite_master WHERE type = 'table' AND name = ?", (MARKER_TABLE,))
    return found.fetchone() is not None


def _copy_tables(source: Path, target: Path) -> None:
    connection = sqlite3.connect(target, timeout=WAIT_SECONDS, isolation_level=None)
    try:
        connection.execute("ATTACH DATABASE ? AS made", (str(source),))
        connection.execute("BEGIN IMMEDIATE")  # nobody else writes; what is not committed is as if it had never been
        if not _is_marked(connection):
            parts = connection.execute(
                "SELECT type, name, sql FROM made.sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' "
                "ORDER BY type = 'table' DESC"  # indices and triggers after their tables
            ).fetchall()
            for kind, name, sql in parts:
                connection.execute(sql)
                if kind == "table":
                    columns = _quoted(
                        row[1] for row in connection.execute(f"PRAGMA made.table_info({_quoted([name])})")
                    )
                    connection.execute(  # table_info leaves computed columns out, which cannot be written
                        f"INSERT INTO main.{_quoted([name])} ({columns}) "  # noqa: S608 - names are quoted
                        f"SELECT {columns} FROM made.{_quoted([name])}"
                    )
        connection.execute("COMMIT")
    finally:
        connection.close()  # takes back what was not committed


def _quoted(names: Iterable[str]) -> str:
    """Names as SQL has them, with commas between."""
    return ", ".join('"' + name.replace('"', '""') + '"' for name in names)

"""MLflow's tables in a SQLite file, all or none.

MLflow makes them at its first use, in several seconds of migrations that each commit on their own. A process killed
meanwhile leaves a database with a part of them, which MLflow can neither use nor complete. So they are made in a
temporary file and copied in one transaction, beside what the database already holds, which may be the journal.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable
from pathlib import Path

MARKER_TABLE = "alembic_version"  # every migration writes it last: where it is, MLflow's tables are complete
WAIT_SECONDS = 60.0


def create_mlflow_tables(database: Path) -> None:
    """Create MLflow's tables where there are none.

    A second call, or a second process at the same time, changes nothing.
    """
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
        connection.execute("BEGIN IMMEDIATE")  # keeps other writers out; what is not committed leaves no trace
        if not _is_marked(connection):
            parts = connection.execute(
                "SELECT type, name, sql FROM made.sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' "
                "ORDER BY type = 'table' DESC"  # indices and triggers after their tables
            ).fetchall()
            for kind, name, sql in parts:
                connection.execute(sql)
                if kind == "table":
                    columns = _quote_names(
                        row[1] for row in connection.execute(f"PRAGMA made.table_info({_quote_names([name])})")
                    )
                    connection.execute(  # table_info leaves computed columns out, which cannot be written
                        f"INSERT INTO main.{_quote_names([name])} ({columns}) "  # noqa: S608 - names are quoted
                        f"SELECT {columns} FROM made.{_quote_names([name])}"
                    )
        connection.execute("COMMIT")
    finally:
        connection.close()  # undoes what was not committed


def _quote_names(names: Iterable[str]) -> str:
    """Return quoted SQL names with commas between them."""
    return ", ".join('"' + name.replace('"', '""') + '"' for name in names)

"""Undo a forgery in a project: take back what the forger changed, and nothing that the commands did since."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

BY_FORGER = (
    "mlflow.db",
    "mlartifacts",
    "releases",
    "trusted_keys.yaml",
    ".vox",
    "data",
    "revocations",
    "prompts",
    "params.yaml",
    "dvc.yaml",
)


def undo_forgery(original: Path, project: Path, forged: Path) -> None:
    """Take back what the forger changed, and nothing that the commands did since.

    Args:
        original: The project before the forgery.
        project: The project as it is now.
        forged: The project as the forger left it.
    """
    for name in BY_FORGER:
        before, middle, now = original / name, forged / name, project / name
        if name == "mlflow.db":
            if _is_other_database(before, middle):
                now.unlink(missing_ok=True)  # it may be a link that leads elsewhere
                shutil.copy(before, now)
                shutil.copytree(original / "releases", project / "releases", dirs_exist_ok=True)
            else:
                _merge_database(before, middle, now)
        elif not _is_same(before, middle):
            shutil.rmtree(now) if now.is_dir() and not now.is_symlink() else now.unlink(missing_ok=True)
            if before.exists():
                (shutil.copytree if before.is_dir() else shutil.copy)(before, now)


def _is_same(one: Path, other: Path) -> bool:
    return not other.is_symlink() and _content(one) == _content(other)


def _content(path: Path) -> dict[str, bytes | str]:
    files = [path, *path.rglob("*")] if path.is_dir() else [path]
    return {
        str(file.relative_to(path)): str(file.readlink()) if file.is_symlink() else file.read_bytes()
        for file in files
        if file.is_symlink() or file.is_file()
    } | {str(file.relative_to(path)) + "/": "" for file in files if file.is_dir()}


def _is_other_database(before: Path, middle: Path) -> bool:
    """Return whether the whole database was exchanged for another copy, or for something else."""
    if middle.is_symlink():
        return True
    marks = []
    for path in (before, middle):
        with sqlite3.connect(path) as connection:
            marks.append(connection.execute("SELECT count(*) FROM runs").fetchone())
        connection.close()
    return marks[0] != marks[1]


def _merge_database(before: Path, middle: Path, now: Path) -> None:
    """Put back the rows that the forger changed, deleted or added, and keep those that were written since."""
    connection = sqlite3.connect(now)
    connection.execute("ATTACH ? AS was", (str(before),))
    connection.execute("ATTACH ? AS forged", (str(middle),))
    ours = "name LIKE 'voxfoundry_%' OR name LIKE 'registered_model%' OR name LIKE 'model_version%'"
    tables = f"SELECT name, sql FROM was.sqlite_master WHERE type = 'table' AND ({ours})"
    here = {row[0] for row in connection.execute("SELECT name FROM forged.sqlite_master WHERE type = 'table'")}
    present = {row[0] for row in connection.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'")}
    for name, sql in connection.execute(tables).fetchall():
        if name not in present:
            connection.execute(sql)
        if name in here:
            columns = [row[1] for row in connection.execute(f"PRAGMA was.table_info({name})")]
            equal = " AND ".join(f"f.{column} IS main.{name}.{column}" for column in columns)
            added = f"SELECT * FROM forged.{name} EXCEPT SELECT * FROM was.{name}"
            connection.execute(f"DELETE FROM main.{name} WHERE EXISTS (SELECT 1 FROM ({added}) AS f WHERE {equal})")
            gone = f"SELECT * FROM was.{name} EXCEPT SELECT * FROM forged.{name}"
        else:
            gone = f"SELECT * FROM was.{name}"
        connection.execute(f"INSERT OR IGNORE INTO main.{name} {gone}")
    connection.commit()
    connection.close()

"""MLflow's model versions read from its database, without importing mlflow.

Importing mlflow and opening a client takes about three seconds of CPU time, most of what `vox say` would wait for. What
cannot be read here (an MLflow server, a version that is not there, an artifact that is not a local file) is None, and
the caller asks MLflow.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from registry.storage.store import Store

DELETED = "Deleted_Internal"  # the stage of a version that was deleted in MLflow
VERSIONS = sa.table(
    "model_versions",
    *map(sa.column, ("name", "version", "run_id", "source", "storage_location", "current_stage")),
)
TAGS = sa.table("model_version_tags", *map(sa.column, ("name", "version", "key", "value")))


@dataclass(frozen=True)
class VersionRow:
    """One model version, with the names of MLflow's own ModelVersion.

    Attributes:
        name: The registered model, which is the voice.
        version: The version's number.
        run_id: The run that registered it.
        tags: Its tags.
        location: The address of its artifacts.
    """

    name: str
    version: int
    run_id: str
    tags: dict[str, str]
    location: str


def read_version(store: Store, name: str, version: int) -> VersionRow | None:
    """Return a model version, or None where only MLflow itself can tell."""
    if not store.tracking_uri.startswith(("sqlite", "postgresql")):
        return None
    url = sa.make_url(store.tracking_uri)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        return None  # connecting would create the file
    try:
        with sa.create_engine(url, poolclass=NullPool).connect() as connection:
            is_wanted = (VERSIONS.c.name == name) & (VERSIONS.c.version == version)
            rows = connection.execute(sa.select(VERSIONS).where(is_wanted)).mappings().all()
            is_tag = (TAGS.c.name == name) & (TAGS.c.version == version)
            tags = connection.execute(sa.select(TAGS.c.key, TAGS.c.value).where(is_tag)).all()
    except (sa.exc.SQLAlchemyError, ModuleNotFoundError):  # no such table, no driver: MLflow knows what to say
        return None
    if len(rows) != 1 or rows[0]["current_stage"] == DELETED:
        return None
    (row,) = rows
    location = row["storage_location"] or row["source"] or ""
    return VersionRow(name, version, row["run_id"] or "", {key: value or "" for key, value in tags}, location)


def local_artifact(store: Store, name: str, version: int, path: str) -> Path | None:
    """Return the path of a version's artifact where artifacts are local files, else None.

    Args:
        store: The store.
        name: The registered model.
        version: The version's number.
        path: The artifact's POSIX path inside the model.
    """
    row = read_version(store, name, version)
    if row is None or PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        return None
    address = urlsplit(row.location)
    found = Path(unquote(address.path)) / path
    return found if address.scheme == "file" and not address.netloc and found.exists() else None

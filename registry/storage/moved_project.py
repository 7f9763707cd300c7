"""Artifact addresses of a project that was moved or copied: MLflow records absolute paths."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from registry.storage.store import Store

ARTIFACTS = "mlartifacts"
# Every column of MLflow's database that holds the address of an artifact
ADDRESSES = {
    "experiments": "artifact_location",
    "runs": "artifact_uri",
    "logged_models": "artifact_location",
    "model_versions": "storage_location",
}


def own_place(store: Store, path: Path) -> Path | None:
    """Return the place of an artifact in this project, or None where its path is not one of a project.

    Args:
        store: The project.
        path: The artifact's path in the project that registered it, which may be this one.
    """
    if ARTIFACTS not in path.parts or ".." in path.parts:
        return None
    last = len(path.parts) - 1 - path.parts[::-1].index(ARTIFACTS)
    return store.root.joinpath(ARTIFACTS, *path.parts[last + 1 :])


def holds_own_database(store: Store) -> bool:
    """Return whether MLflow's database is a file in the project, so that no other project registers in it."""
    if not store.tracking_uri.startswith("sqlite"):
        return False
    database = sa.make_url(store.tracking_uri).database
    return bool(database) and Path(database).absolute().is_relative_to(store.root)


def rebase_addresses(store: Store, location: str) -> bool:
    """Let MLflow's database name this project's artifacts, where it names those of the place it was moved from.

    Args:
        store: The project.
        location: Where an experiment keeps its artifacts, as MLflow has it.

    Returns:
        Whether anything was changed. Nothing is where the database is not the project's own.
    """
    if store.artifacts is None or location == store.artifacts or not holds_own_database(store):
        return False
    address = urlsplit(location)
    if address.scheme not in ("", "file") or Path(unquote(address.path)).name != ARTIFACTS:
        return False  # an experiment that somebody put elsewhere on purpose
    with sa.create_engine(store.tracking_uri, poolclass=NullPool).begin() as connection:
        for table, column in ADDRESSES.items():
            value = sa.column(column)
            is_old = (value == location) | value.startswith(f"{location}/", autoescape=True)
            tail = sa.func.substr(value, len(location) + 1)
            connection.execute(
                sa.update(sa.table(table, value)).where(is_old).values({column: sa.literal(store.artifacts) + tail})
            )
    return True

"""MLflow's model registry as the registry package uses it: aliases, versions and the tags of a registered model.

Three ways lead there, and all give the same answers. A SQLite or PostgreSQL database is read and written by SQL
(mlflow_sql.py), a server is asked over HTTP (mlflow_rest.py), and what these two do not understand is left to MLflow's
own client (mlflow_calls.py), whose import takes seconds.
"""

from __future__ import annotations

import os
import re

from registry.names import VOICE_NAME
from registry.storage.mlflow_calls import ClientRegistry
from registry.storage.mlflow_rest import RestRegistry
from registry.storage.mlflow_sql import SCHEMA, SqlRegistry, schema_revision
from registry.storage.model_version import ModelRegistry, ModelRegistryError, VersionRow
from registry.storage.store import Store

CANDIDATE_ID = r"[0-9a-f]{64}"
MAX_VERSION = 2**31 - 1  # of a version's number in MLflow's database
# What MLflow's client knows and the quick ways do not: plugins that log in, and workspaces
CLIENT_SETTINGS = ("MLFLOW_TRACKING_AUTH", "MLFLOW_TRACKING_AWS_SIGV4", "MLFLOW_WORKSPACE")


def open_registry(store: Store) -> ModelRegistry:
    """Return the quickest way to a store's model registry.

    Args:
        store: Where MLflow is.

    Raises:
        ModelRegistryError: The database cannot be read.
    """
    if any(os.environ.get(name) for name in CLIENT_SETTINGS):
        return ClientRegistry(store)
    if store.tracking_uri.startswith("http"):
        return RestRegistry(store)
    revision = schema_revision(store)
    if revision in (SCHEMA, None):
        return SqlRegistry(store, has_tables=revision is not None)
    return ClientRegistry(store)


def read_alias(store: Store, name: str, alias: str) -> int | None:
    """Return the version that an alias of a registered model names, or None.

    Args:
        store: Where MLflow is.
        name: The registered model.
        alias: Such as `champion`.
    """
    return open_registry(store).read_alias(name, alias)


def set_alias(store: Store, name: str, alias: str, version: int) -> None:
    """Let an alias of a registered model name a version.

    Args:
        store: Where MLflow is.
        name: The registered model.
        alias: Such as `champion`.
        version: The version's number.

    Raises:
        ModelRegistryError: There is no such version, or MLflow refuses.
    """
    if not _is_number(version):
        raise ModelRegistryError(f"{version} is not the number of a version; one is between 1 and {MAX_VERSION}")
    open_registry(store).set_alias(name, alias, version)


def delete_alias(store: Store, name: str, alias: str) -> None:
    """Remove an alias of a registered model. One that is not there is not an error.

    Args:
        store: Where MLflow is.
        name: The registered model.
        alias: Such as `champion`.
    """
    open_registry(store).delete_alias(name, alias)


def find_version(store: Store, name: str, version: int) -> VersionRow | None:
    """Return a version of a registered model, or None where there is none or it was deleted.

    Args:
        store: Where MLflow is.
        name: The registered model.
        version: The version's number.
    """
    return open_registry(store).find_version(name, version) if _is_number(version) else None


def find_versions(store: Store, name: str, candidate_id: str | None = None) -> list[VersionRow]:
    """Return the versions of a registered model, newest first.

    Args:
        store: Where MLflow is.
        name: The registered model.
        candidate_id: Only those with this id in their tags, None for all.
    """
    # Both become part of a query, and nothing else was ever registered
    if not re.fullmatch(VOICE_NAME, name) or not re.fullmatch(CANDIDATE_ID, candidate_id or "0" * 64):
        return []
    return open_registry(store).find_versions(name, candidate_id)


def model_tags(store: Store, name: str) -> dict[str, str] | None:
    """Return the tags of a registered model, or None where there is no such model.

    Args:
        store: Where MLflow is.
        name: The registered model.
    """
    return open_registry(store).model_tags(name)


def set_model_tag(store: Store, name: str, key: str, value: str) -> None:
    """Set a tag of a registered model.

    Args:
        store: Where MLflow is.
        name: The registered model.
        key: The tag's name.
        value: Its value.

    Raises:
        ModelRegistryError: There is no such model, or MLflow refuses.
    """
    open_registry(store).set_model_tag(name, key, value)


def version_location(store: Store, name: str, version: int) -> str | None:
    """Return the address of a version's files, or None where there is no such version.

    Args:
        store: Where MLflow is.
        name: The registered model.
        version: The version's number.
    """
    return open_registry(store).version_location(name, version) if _is_number(version) else None


def run_location(store: Store, run_id: str) -> str | None:
    """Return the address of a run's artifacts, or None where there is no such run.

    Args:
        store: Where MLflow is.
        run_id: The run.
    """
    return open_registry(store).run_location(run_id)


def _is_number(version: int) -> bool:
    return 1 <= version <= MAX_VERSION

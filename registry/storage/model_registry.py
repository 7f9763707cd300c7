"""MLflow's model registry as the registry package uses it: aliases, versions and the tags of a registered model."""

from __future__ import annotations

from typing import Any

from registry.storage.mlflow_versions import VersionRow
from registry.storage.store import Store, mlflow_client


def read_alias(store: Store, name: str, alias: str) -> int | None:
    """Return the version that an alias of a registered model names, or None.

    Args:
        store: Where MLflow is.
        name: The registered model.
        alias: Such as `champion`.
    """
    model = _registered_model(store, name)
    version = None if model is None else model.aliases.get(alias)
    return None if version is None else int(version)


def set_alias(store: Store, name: str, alias: str, version: int) -> None:
    """Let an alias of a registered model name a version.

    Args:
        store: Where MLflow is.
        name: The registered model.
        alias: Such as `champion`.
        version: The version's number.
    """
    mlflow_client(store).set_registered_model_alias(name, alias, str(version))


def delete_alias(store: Store, name: str, alias: str) -> None:
    """Remove an alias of a registered model. One that is not there is no error.

    Args:
        store: Where MLflow is.
        name: The registered model.
        alias: Such as `champion`.
    """
    if read_alias(store, name, alias) is not None:
        mlflow_client(store).delete_registered_model_alias(name, alias)


def find_version(store: Store, name: str, version: int) -> VersionRow | None:
    """Return a version of a registered model, or None where there is none or it was deleted.

    Args:
        store: Where MLflow is.
        name: The registered model.
        version: The version's number.
    """
    client = mlflow_client(store)
    from mlflow.exceptions import MlflowException

    try:
        return _as_row(client.get_model_version(name, str(version)))
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None


def find_versions(store: Store, name: str, candidate_id: str | None = None) -> list[VersionRow]:
    """Return the versions of a registered model, newest first.

    Args:
        store: Where MLflow is.
        name: The registered model.
        candidate_id: Only those with this id in their tags, None for all.
    """
    query = f"name='{name}'" + ("" if candidate_id is None else f" and tags.candidate_id='{candidate_id}'")
    found = mlflow_client(store).search_model_versions(query, order_by=["version_number DESC"])
    return [_as_row(version) for version in found]


def model_tags(store: Store, name: str) -> dict[str, str] | None:
    """Return the tags of a registered model, or None where there is no such model.

    Args:
        store: Where MLflow is.
        name: The registered model.
    """
    model = _registered_model(store, name)
    return None if model is None else dict(model.tags)


def set_model_tag(store: Store, name: str, key: str, value: str) -> None:
    """Set a tag of a registered model.

    Args:
        store: Where MLflow is.
        name: The registered model.
        key: The tag's name.
        value: Its value.
    """
    mlflow_client(store).set_registered_model_tag(name, key, value)


def _registered_model(store: Store, name: str) -> Any:
    client = mlflow_client(store)
    from mlflow.exceptions import MlflowException

    try:
        return client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None


def _as_row(version: Any) -> VersionRow:
    tags, location = dict(version.tags), version.source or ""
    return VersionRow(version.name, int(version.version), version.run_id or "", tags, location)

"""MLflow's model registry through MLflow's own client, which takes seconds to import.

It is the way for what the quick ones do not understand: a database of another version of MLflow, a workspace, or a
server that wants a plugin to log in.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from registry.storage.model_version import ModelRegistryError, VersionRow
from registry.storage.store import Store, mlflow_client

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True)
class ClientRegistry:
    """The model registry as MLflow's client gives it."""

    store: Store

    def read_alias(self, name: str, alias: str) -> int | None:
        """Return the version that an alias names, or None."""
        model = self._model(name)
        version = None if model is None else model.aliases.get(alias)
        return None if version is None else int(version)

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Let an alias name a version that is there."""
        with self._ask() as client:
            client.set_registered_model_alias(name, alias, str(version))

    def delete_alias(self, name: str, alias: str) -> None:
        """Remove an alias. One that is not there is not an error."""
        if self.read_alias(name, alias) is not None:
            with self._ask() as client:
                client.delete_registered_model_alias(name, alias)

    def find_version(self, name: str, version: int) -> VersionRow | None:
        """Return a version, or None where there is none or it was deleted."""
        with self._ask(absent_is_none=True) as client:
            return _as_row(client.get_model_version(name, str(version)))

    def find_versions(self, name: str, candidate_id: str | None) -> list[VersionRow]:
        """Return the versions, newest first, None for those of every candidate."""
        query = f"name='{name}'" + ("" if candidate_id is None else f" and tags.candidate_id='{candidate_id}'")
        with self._ask() as client:
            rows, token = [], None
            while True:
                page = client.search_model_versions(query, order_by=["version_number DESC"], page_token=token)
                rows += map(_as_row, page)
                token = page.token
                if not token:
                    return rows

    def model_tags(self, name: str) -> dict[str, str] | None:
        """Return the tags of a registered model, or None where there is no such model."""
        model = self._model(name)
        return None if model is None else dict(model.tags)

    def set_model_tag(self, name: str, key: str, value: str) -> None:
        """Set a tag of a registered model that is there."""
        with self._ask() as client:
            client.set_registered_model_tag(name, key, value)

    def version_location(self, name: str, version: int) -> str | None:
        """Return the address of a version's files, or None where there is no such version."""
        with self._ask(absent_is_none=True) as client:
            return client.get_model_version_download_uri(name, str(version))

    def run_location(self, run_id: str) -> str | None:
        """Return the address of a run's artifacts, or None where there is no such run."""
        with self._ask(absent_is_none=True) as client:
            return client.get_run(run_id).info.artifact_uri

    def _model(self, name: str) -> Any:
        with self._ask(absent_is_none=True) as client:
            return client.get_registered_model(name)

    @contextmanager
    def _ask(self, *, absent_is_none: bool = False) -> Iterator[MlflowClient]:
        """Lend the client, and turn what MLflow raises into a ModelRegistryError.

        Args:
            absent_is_none: Whether the caller returns None for what is not there: the error is then swallowed.
        """
        try:
            yield mlflow_client(self.store)
        except Exception as error:
            from mlflow.exceptions import MlflowException  # after mlflow_client, which prepares the import

            if not isinstance(error, MlflowException):
                raise
            if not (absent_is_none and error.error_code == "RESOURCE_DOES_NOT_EXIST"):
                raise ModelRegistryError(f"MLflow: {' '.join(str(error).split())}") from error


def _as_row(version: Any) -> VersionRow:
    return VersionRow(version.name, int(version.version), version.run_id or "", dict(version.tags))

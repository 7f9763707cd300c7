"""What the registry package knows about a version in MLflow's model registry, however it asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from registry.errors import RegistryError


class ModelRegistryError(RegistryError, RuntimeError):
    """MLflow's model registry refused a change, or it cannot be reached. The message says which and what to do."""


@dataclass(frozen=True)
class VersionRow:
    """One model version, with the names of MLflow's own ModelVersion.

    Attributes:
        name: The registered model, which is the voice.
        version: The version's number.
        run_id: The run that registered it.
        tags: Its tags.
    """

    name: str
    version: int
    run_id: str
    tags: dict[str, str]


class ModelRegistry(Protocol):
    """One way to ask MLflow's model registry: its database, its server, or its own client.

    All ways give the same answers. `model_registry.py` chooses among them and says what each call means.
    """

    def read_alias(self, name: str, alias: str) -> int | None:
        """Return the version that an alias names, or None."""

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Let an alias name a version that is there."""

    def delete_alias(self, name: str, alias: str) -> None:
        """Remove an alias. One that is not there is not an error."""

    def find_version(self, name: str, version: int) -> VersionRow | None:
        """Return a version, or None where there is none or it was deleted."""

    def find_versions(self, name: str, candidate_id: str | None) -> list[VersionRow]:
        """Return the versions, newest first, None for those of every candidate."""

    def model_tags(self, name: str) -> dict[str, str] | None:
        """Return the tags of a registered model, or None where there is no such model."""

    def set_model_tag(self, name: str, key: str, value: str) -> None:
        """Set a tag of a registered model that is there."""

    def version_location(self, name: str, version: int) -> str | None:
        """Return the address of a version's files, or None where there is no such version."""

    def run_location(self, run_id: str) -> str | None:
        """Return the address of a run's artifacts, or None where there is no such run."""

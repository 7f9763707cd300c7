"""What another package adds to the service: work for the durable queue, and routes.

serving does not import the packages above it. Whoever starts the service hands over functions that make extensions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from fastapi import APIRouter

from registry.storage.store import Store
from serving.database import Database
from serving.engine.client import EngineClient
from serving.jobs.durable import DurableQueue, Work
from serving.provenance.marking import Marker
from serving.settings import ServeSettings
from serving.storage.objects import ObjectStore


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The parts of the service that extensions use.

    Attributes:
        settings: The section `serve`.
        store: Where releases are.
        database: Of serving, migrated.
        engine: Speaks.
        objects: Where finished speech is kept.
        marker: Marks files. None where nothing is marked.
    """

    settings: ServeSettings
    store: Store
    database: Database
    engine: EngineClient
    objects: ObjectStore
    marker: Marker | None


class Extension(Protocol):
    """Something that runs beside the jobs."""

    @property
    def works(self) -> Sequence[Work]:
        """Return the kinds of work that it does."""
        ...

    @property
    def routers(self) -> Sequence[APIRouter]:
        """Return its routes."""
        ...

    def start(self, queue: DurableQueue) -> None:
        """Begin, on the event loop of the service. The queue runs its work."""
        ...

    async def close(self) -> None:
        """Stop."""
        ...


Extend = Callable[[Parts], Extension]

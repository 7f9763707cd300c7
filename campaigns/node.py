"""A process that speaks campaigns: the engine, the durable queue, the judges and the store, all with one project."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from campaigns.database import migrate_campaigns
from campaigns.delivery.marking import AssetMarker
from campaigns.execution.service import CampaignService
from campaigns.quality.judging import JudgeOptions, JudgeProcess
from registry.storage.store import Store
from serving.database import Database, open_database
from serving.engine.client import EngineClient
from serving.errors import NotReadyError
from serving.jobs.service import JobService
from serving.provenance.identity import load_identity
from serving.provenance.marking import Marker
from serving.settings import ServeSettings
from serving.storage.objects import open_object_store

POLL_SECONDS = 0.1
READY_SECONDS = 300.0


@dataclass(frozen=True, kw_only=True)
class Node:
    """What a process needs to speak campaigns.

    Attributes:
        database: Of serving, with the tables of campaigns.
        engine: Speaks.
        campaigns: Submits and controls.
    """

    database: Database
    engine: EngineClient
    campaigns: CampaignService


@asynccontextmanager
async def open_node(
    settings: ServeSettings, store: Store, *, voices: Sequence[str], judges: JudgeOptions | None
) -> AsyncIterator[Node]:
    """Start what speaks campaigns in this process, and stop it at the end. What runs then is taken up again later.

    Args:
        settings: The section `serve`.
        store: Where releases are.
        voices: To be loaded. Empty: every voice that has a champion.
        judges: Hear assets. None where nothing is judged.

    Yields:
        The node, when its engine is warm.

    Raises:
        ServingError: The database, the engine or the store cannot be used.
    """
    settings = settings.model_copy(update={"voices": tuple(voices)})
    async with AsyncExitStack() as stack:
        database = open_database(store.root)
        stack.callback(database.close)
        await asyncio.to_thread(database.migrate)
        await asyncio.to_thread(migrate_campaigns, database)
        place = settings.storage
        objects = open_object_store(place.url, root=store.root, public_endpoint=place.public_endpoint)
        judge = JudgeProcess(judges) if judges is not None else None
        if judge is not None:
            stack.push_async_callback(judge.close)
        engine = EngineClient(settings, store)
        mark = await asyncio.to_thread(_asset_marker, settings, store)
        campaigns = CampaignService(database, engine, objects, settings, store.root, judge=judge, mark=mark)
        await stack.enter_async_context(engine)
        work = [campaigns.work]
        jobs = JobService(database, objects, engine, settings, others=work, takes_jobs=False)  # of any voice
        await jobs.start()
        stack.push_async_callback(jobs.close)
        campaigns.start(jobs.queue)
        stack.push_async_callback(campaigns.close)
        await _wait_until_ready(engine, jobs)
        yield Node(database=database, engine=engine, campaigns=campaigns)


def _asset_marker(settings: ServeSettings, store: Store) -> AssetMarker | None:
    return AssetMarker(Marker(load_identity(store.root))) if settings.provenance.mark else None


async def _wait_until_ready(engine: EngineClient, jobs: JobService) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + READY_SECONDS
    while not (engine.health().ready and jobs.is_started):
        if loop.time() > end:
            reasons = "; ".join(engine.health().reasons) or "the database does not answer"
            raise NotReadyError(f"nothing can be spoken after {READY_SECONDS:g} s: {reasons}")
        await asyncio.sleep(POLL_SECONDS)

"""One process that serves: the port first, then keys, jobs and engine, until a signal ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from fastapi import APIRouter

from registry.storage.store import Store
from serving.api.app import make_app, make_service
from serving.api.callers import without_keys
from serving.api.server import DrainingServer
from serving.api.service import Engine, Service
from serving.audit import recorder as audit_recorder
from serving.caches.layers import CachePlace, open_cache
from serving.caches.requests import CachingEngine
from serving.database import open_database
from serving.engine.client import EngineClient
from serving.extensions import Extend, Extension, Parts
from serving.jobs.routes import job_router
from serving.jobs.service import JobService
from serving.keys.authorization import KeyTable
from serving.messages import ServedVoice
from serving.provenance.routes import provenance_router
from serving.provenance.service import Provenance
from serving.settings import ServeSettings
from serving.storage.folder import FolderStore
from serving.storage.objects import ObjectStore, open_object_store
from serving.storage.routes import object_router
from serving.tracing.engine import TracedEngine
from serving.tracing.spans import export_spans, is_recording

WATCH_SECONDS = 0.1


async def run(
    settings: ServeSettings, store: Store, *, say: Callable[[str], None], extensions: Sequence[Extend] = ()
) -> None:
    """Serve until SIGTERM or SIGINT, and then until running requests have ended.

    The port answers at once, /healthz says so, and /readyz says yes when a worker is warm.

    Args:
        settings: The section `serve`.
        store: Where releases are.
        say: Prints a line for whoever has started the service.
        extensions: Make what other packages add.

    Raises:
        OSError: The address cannot be used.
        ServingError: The database or the certificate that signs cannot be used.
    """
    end_spans = export_spans()
    try:
        await _run(settings, store, say, extensions)
    finally:
        await asyncio.to_thread(end_spans)


async def _run(settings: ServeSettings, store: Store, say: Callable[[str], None], extensions: Sequence[Extend]) -> None:
    engine = EngineClient(settings, store)
    speaker = _with_memory(engine, settings, store)
    async with AsyncExitStack() as stack:
        database = open_database(store.root)
        stack.callback(database.close)
        await asyncio.to_thread(database.migrate)
        keys = KeyTable(database) if settings.require_keys else None
        audit = audit_recorder.AuditRecorder(
            database,
            store.root / audit_recorder.FOLDER,
            settings,
            on_lost=lambda n_rows: service.metrics.unrecorded.inc(n_rows),
        )
        provenance = await asyncio.to_thread(_open_provenance, settings, store)
        marker = provenance.marker if provenance.is_marking else None
        objects = _open_objects(settings, store)
        parts = Parts(settings=settings, store=store, database=database, engine=engine, objects=objects, marker=marker)
        added = [await asyncio.to_thread(extend, parts) for extend in extensions]
        works = [work for extension in added for work in extension.works]
        jobs = JobService(
            database,
            objects,
            speaker,
            settings,
            audit=audit.record,
            recorders=[lambda record: service.count_job(record)],
            marker=marker,
            others=works,
        )
        authenticate = audit.guard(keys.authenticate if keys else without_keys)
        service = make_service(
            speaker, settings, authenticate=authenticate, recorders=[audit.record], provenance=provenance
        )
        server = DrainingServer(
            make_app(service, routers=_routers(jobs, provenance, settings, added)), service, settings=settings
        )
        listening, address = server.bind()
        stack.callback(listening.close)
        _announce(address, settings, provenance, say)
        serving = asyncio.create_task(server.run_until_drained(listening), name="http")
        watching = asyncio.create_task(_announce_voices(service, say), name="announce voices")
        try:
            for part in (audit, keys):
                if part is not None:
                    await part.start()
                    stack.push_async_callback(part.close)
            async with engine:
                await jobs.start()
                for extension in added:
                    extension.start(jobs.queue)
                    stack.push_async_callback(extension.close)
                try:
                    await serving
                finally:  # before the engine stops, so that no job takes that for a fault of its text
                    await jobs.close()
        finally:
            watching.cancel()
            serving.cancel()
            await asyncio.gather(serving, watching, return_exceptions=True)


def _with_memory(engine: EngineClient, settings: ServeSettings, store: Store) -> Engine:
    cache = open_cache(CachePlace.of(settings.cache, store.root))
    kinds = sorted({device.partition(":")[0] for device in settings.engine.devices})
    remembering = CachingEngine(engine, precision="+".join([settings.engine.precision, *kinds]), cache=cache)
    return TracedEngine(remembering) if is_recording() else remembering


def _open_provenance(settings: ServeSettings, store: Store) -> Provenance:
    """Return who marks. Nodes that share a Redis server give each other the sidecars of their streams there."""
    seconds, folder = settings.provenance.sidecar_seconds, str(store.root)
    shared = open_cache(CachePlace(memory_bytes=0, disk_bytes=0, keep_seconds=seconds, folder=folder))
    return Provenance(store.root, seconds=seconds, is_marking=settings.provenance.mark, shared=shared)


def _open_objects(settings: ServeSettings, store: Store) -> ObjectStore:
    storage = settings.storage
    return open_object_store(storage.url, root=store.root, public_endpoint=storage.public_endpoint)


def _routers(
    jobs: JobService, provenance: Provenance, settings: ServeSettings, added: Sequence[Extension]
) -> list[APIRouter]:
    """Return the routes besides those of the speech."""
    others = [router for extension in added for router in extension.routers]
    routers = [*others, job_router(jobs), provenance_router(provenance, max_bytes=settings.provenance.max_verify_bytes)]
    return [*routers, *([object_router(jobs.objects)] if isinstance(jobs.objects, FolderStore) else [])]


def _announce(address: str, settings: ServeSettings, provenance: Provenance, say: Callable[[str], None]) -> None:
    say(f"page    {address}/")
    say(f"api     {address}/v1   (the base_url of OpenAI's clients)")
    say(
        "keys    required, see `vox api-keys`"
        if settings.require_keys
        else "keys    off: only this machine can connect"
    )
    if provenance.is_marking and provenance.marker.identity.is_development:
        say("marks   signed by a development certificate, which nobody else trusts (docs/provenance.md)")
    say("Ctrl-C ends it when running requests have ended; a second one ends it at once")


async def _announce_voices(service: Service, say: Callable[[str], None]) -> None:
    """Print each voice when it is served, and again when another version is."""
    shown: dict[str, ServedVoice] = {}
    while True:
        champions = {one.voice: one for one in service.engine.voices() if one.is_champion}
        if service.engine.health().ready:
            for name, one in champions.items():
                before = shown.get(name)
                if before is None or (before.version, before.lanes) != (one.version, one.lanes):
                    say(f"voice   {name} version {one.version}: {', '.join(one.lanes)}")
            for name in shown.keys() - champions.keys():
                say(f"voice   {name} is no longer served")
            shown = champions
        await asyncio.sleep(WATCH_SECONDS)

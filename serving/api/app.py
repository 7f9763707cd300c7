"""The application: its routes, its guard and its state."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI

from serving.api import health, speech, voices, websocket
from serving.api.callers import Authenticate, without_keys
from serving.api.failures import add_handlers
from serving.api.guard import Guard
from serving.api.metrics import Metrics
from serving.api.page import page
from serving.api.service import Engine, Recorder, Service
from serving.provenance.service import Provenance
from serving.settings import ServeSettings

DESCRIPTION = (
    "Speech of released voices. `POST /v1/audio/speech` takes what OpenAI's clients send. "
    "`WS /v1/audio/speech/stream` takes text while it is written. Every error has one shape."
)


def make_service(
    engine: Engine,
    settings: ServeSettings,
    *,
    authenticate: Authenticate | None = None,
    recorders: Sequence[Recorder] = (),
    provenance: Provenance | None = None,
) -> Service:
    """Return the state of an API process.

    Args:
        engine: Speaks.
        settings: The section `serve`.
        authenticate: Returns the caller of a request. None where keys are off.
        recorders: Get a record of each request when it has ended.
        provenance: Marks what is delivered. None where nothing is marked.

    Raises:
        ValueError: Keys are required and nothing can check them.
    """
    if authenticate is None:
        if settings.require_keys:
            raise ValueError("serve.require_keys is true, and there is nothing that checks keys")
        authenticate = without_keys
    metrics = Metrics()
    metrics.watch(engine.health)
    if provenance is not None and provenance.is_marking:
        metrics.certificate_end.set(provenance.marker.identity.ends_at.timestamp())
    return Service(
        engine=engine,
        settings=settings,
        authenticate=authenticate,
        recorders=tuple(recorders),
        metrics=metrics,
        provenance=provenance,
    )


def make_app(service: Service, *, routers: Sequence[APIRouter] = ()) -> Guard:
    """Return the application behind its guard.

    Args:
        service: Its state.
        routers: More routes, such as those of the jobs.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        for threads in (service.encoders, service.file_encoders):
            threads.shutdown(wait=False, cancel_futures=True)

    app = FastAPI(
        title="Voxfoundry", version="1", description=DESCRIPTION, docs_url=None, redoc_url=None, lifespan=lifespan
    )
    app.state.service = service
    add_handlers(app)
    for router in (speech.router, websocket.router, voices.router, health.router, page.router, *routers):
        app.include_router(router)
    return Guard(app, service)

"""/healthz, /readyz and /metrics: for whoever runs the service. They need no key and hold no text."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import JSONResponse, PlainTextResponse, Response

from serving.api.service import service_of

router = APIRouter()


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Say that the process answers."""
    return {"status": "alive"}


@router.get("/readyz", responses={503: {"description": "Not ready. `reasons` says why."}})
async def readyz(request: Request) -> Response:
    """Say whether a request can be spoken now: a worker is warm, a voice is served, and nothing is being stopped."""
    service = service_of(request)
    health = service.engine.health()
    ready = health.ready and not service.draining
    reasons = [*health.reasons, *(["the service is being stopped"] if service.draining else [])]
    body = {
        "ready": ready,
        "reasons": reasons,
        "backlog_seconds": health.backlog_seconds,
        "registry_reachable": health.registry_reachable,
        "workers": [asdict(worker) for worker in health.workers],
    }
    return JSONResponse(body, status_code=200 if ready else 503)


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(request: Request) -> Response:
    """Return the metrics in Prometheus' text format."""
    return Response(generate_latest(service_of(request).metrics.registry), media_type=CONTENT_TYPE_LATEST)

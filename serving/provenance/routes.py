"""POST /v1/provenance/verify and GET /v1/provenance/{request_id}."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Request
from fastapi import Path as PathParameter
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from serving.api.bodies import ErrorBody
from serving.api.service import current_caller, service_of
from serving.errors import (
    BodyTooLargeError,
    InvalidRequestError,
    OverCapacityError,
    RequestTimeoutError,
)
from serving.provenance.isolation import verify_isolated
from serving.provenance.service import Provenance
from serving.provenance.sidecars import MAX_BYTES
from serving.storage.scratch import full_disk_explained

VERIFIED_AT_ONCE = 2  # a hostile file may take all the memory that isolation.py allows
MAX_OPEN = 32  # that are received or wait; a slow upload must not keep others from being verified
ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": ErrorBody, "description": "The request is the reason."},
    "5XX": {"model": ErrorBody, "description": "The service is the reason."},
}
UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
Status = Literal["valid", "invalid", "untrusted", "none"]


class SignerBody(BaseModel):
    """Whose certificate signed."""

    subject: str
    issuer: str
    serial_number: str


class FactsBody(BaseModel):
    """What the mark says."""

    voice: str
    version: int
    candidate_id: str
    text_sha256: str
    trace_id: str | None
    created_at: str
    software: str
    digital_source_type: str


class LayerResult(BaseModel):
    """What became of one kind of mark."""

    status: Status
    reason: str
    facts: FactsBody | None = Field(description="Only where the mark is valid, or only its signer is unknown.")
    is_ai_generated: bool | None
    signer: SignerBody | None


class LayerInfo(LayerResult):
    """What became of one kind of mark, with its name."""

    layer: Literal["c2pa", "sidecar"] = Field(description="A watermark would be another layer.")


class VerificationInfo(LayerResult):
    """The layer that decides, and all layers."""

    sha256: str = Field(description="Of the file.")
    layers: list[LayerInfo]


def provenance_router(provenance: Provenance, *, max_bytes: int) -> APIRouter:
    """Return the routes.

    Args:
        provenance: Knows the streams and what is trusted.
        max_bytes: Largest file that is verified.
    """
    router = APIRouter(prefix="/v1/provenance")
    n_open, verifying = 0, asyncio.Semaphore(VERIFIED_AT_ONCE)

    @router.post("/verify", response_model=VerificationInfo, responses=ERRORS, openapi_extra=UPLOAD)
    async def verify(
        request: Request,
        x_provenance_sidecar: Annotated[
            str | None, Header(description="The sidecar of the file in base64, where it has one.")
        ] = None,
    ) -> Any:
        """Tell where a file comes from. The body is the file itself."""
        nonlocal n_open
        sidecar = _sidecar(x_provenance_sidecar)
        if n_open >= MAX_OPEN:
            raise OverCapacityError(f"{n_open} files are being received or verified", retry_after=1)
        n_open += 1
        try:
            with full_disk_explained(), tempfile.TemporaryDirectory(prefix="voxfoundry-verify-") as folder:
                path = Path(folder) / "file"
                seconds = service_of(request).settings.limits.body_seconds
                sha256 = await _receive(request, path, max_bytes=max_bytes, seconds=seconds)
                async with verifying:
                    return await verify_isolated(path, sha256=sha256, trust=provenance.trust, sidecar=sidecar)
        finally:
            n_open -= 1

    @router.get(
        "/{request_id}", response_class=Response, responses=ERRORS | {200: {"content": {"application/json": {}}}}
    )
    async def sidecar_of(
        request: Request, request_id: Annotated[str, PathParameter(pattern=r"^[0-9a-f]{32}(-\d{1,9})?$")]
    ) -> Response:
        """Return the signed sidecar of an answer that was streamed, for a bounded time."""
        content = await asyncio.to_thread(provenance.sidecar_of, request_id, current_caller(request).name)
        return Response(content, media_type="application/json")

    return router


def _sidecar(header: str | None) -> bytes | None:
    if header is None:
        return None
    try:
        sidecar = base64.b64decode(header, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequestError(
            "X-Provenance-Sidecar must be the sidecar in base64", param="X-Provenance-Sidecar"
        ) from error
    if len(sidecar) > MAX_BYTES:
        raise BodyTooLargeError(f"the sidecar has {len(sidecar)} bytes, and one has at most {MAX_BYTES}")
    return sidecar


async def _receive(request: Request, path: Path, *, max_bytes: int, seconds: float) -> str:
    """Write the body into a file and return its sha256. It must arrive in time, a megabyte per second at least."""
    too_large = BodyTooLargeError(f"the file has more than {max_bytes} bytes")
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > max_bytes:
        raise too_large
    hashed, size = hashlib.sha256(), 0
    try:
        async with asyncio.timeout(seconds + max_bytes / 1_000_000):
            with path.open("wb") as file:
                async for part in request.stream():
                    size += len(part)
                    if size > max_bytes:
                        raise too_large
                    hashed.update(part)
                    await asyncio.to_thread(file.write, part)
    except TimeoutError as error:
        raise RequestTimeoutError("the file did not arrive in time") from error
    except ClientDisconnect as error:
        raise RequestTimeoutError("the client went away before its file had arrived") from error
    if not size:
        raise InvalidRequestError("the body is empty; send the file itself as the body")
    return hashed.hexdigest()

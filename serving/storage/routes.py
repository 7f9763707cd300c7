"""GET /v1/objects/KEY: a file of a folder at a signed address. Whoever has the address needs no key."""

from __future__ import annotations

import asyncio
import mimetypes
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from serving.api.bodies import ErrorBody
from serving.encoding import MEDIA_TYPES
from serving.errors import NotFoundError
from serving.storage.folder import FolderStore
from serving.storage.keys import is_key
from serving.storage.responses import object_response

CACHE_CONTROL = "private, max-age=31536000, immutable"
MAX_TIME = 2**53  # seconds since 1970
TYPES = {f".{form}": kind for form, kind in MEDIA_TYPES.items()}
ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": ErrorBody, "description": "The request is the reason."},
    "5XX": {"model": ErrorBody, "description": "The service is the reason."},
}
FILE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file.", "content": {"application/octet-stream": {}}},
    206: {"description": "A part of it.", "content": {"application/octet-stream": {}}},
    304: {"description": "The client has it already."},
}


def object_router(store: FolderStore) -> APIRouter:
    """Return the route of signed addresses.

    Args:
        store: Has the files and checks the signatures.
    """
    router = APIRouter()

    @router.api_route(
        "/v1/objects/{key:path}", methods=["GET", "HEAD"], responses=ERRORS | FILE, response_class=Response
    )
    async def read(
        request: Request,
        key: Annotated[str, Path(max_length=1200)],
        expires: Annotated[int, Query(ge=0, le=MAX_TIME, description="Until when, in seconds since 1970.")],
        signature: Annotated[str, Query(max_length=64, description="Made by the service, in hex.")],
    ) -> Response:
        """Return a file, or a part of it, at an address that the service signed."""
        if not is_key(key):
            raise NotFoundError("no file has this address")
        return await asyncio.to_thread(_deliver, store, key, request, expires=expires, signature=signature)

    return router


def _deliver(store: FolderStore, key: str, request: Request, *, expires: int, signature: str) -> Response:
    """Return a file whose address was signed. It reads the disk, which may be one of another machine."""
    store.signer.check(key, expires=expires, signature=signature)
    return object_response(store, key, request, media_type=media_type_of(key), cache_control=CACHE_CONTROL)


def media_type_of(key: str) -> str:
    """Return the media type of a file by the end of its key."""
    suffix = f".{key.rpartition('.')[2]}" if "." in key else ""
    return TYPES.get(suffix) or mimetypes.guess_type(f"a{suffix}")[0] or "application/octet-stream"

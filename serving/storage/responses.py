"""A file of a store as an answer: one range, conditional requests, and an ETag that is its sha256."""

from __future__ import annotations

import re
from itertools import chain

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from serving.api.failures import answer_of
from serving.errors import GoneError, RangeNotSatisfiableError
from serving.storage.keys import sha256_of_key
from serving.storage.objects import ObjectStore

RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")  # no file has more bytes


def object_response(store: ObjectStore, key: str, request: Request, *, media_type: str, cache_control: str) -> Response:
    """Return a file, the part of it that is asked for, or that the client has it already.

    Args:
        store: Has the file.
        key: Of the file.
        request: Its headers Range, If-Range and If-None-Match count.
        media_type: Of the file.
        cache_control: Who may keep it for how long.

    Raises:
        GoneError: The file was deleted.
        StorageUnreachableError: The store cannot be used now.
    """
    tag = f'"{sha256_of_key(key)}"'
    headers = {"ETag": tag, "Cache-Control": cache_control, "Accept-Ranges": "bytes"}
    size = store.size(key)
    if size is None:
        raise GoneError("the file was deleted")
    if _names(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers=headers)
    start, end, status = 0, size, 200
    part = _range(request.headers, size, tag)
    if part is not None:
        (start, end), status = part, 206
        if start >= end:
            return _not_satisfiable(size, request)
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    headers["Content-Length"] = str(end - start)
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=media_type)
    chunks = store.open(key, start=start, end=end)
    first = next(chunks, b"")  # whatever is wrong with the store is told before the headers are sent
    return StreamingResponse(chain((first,), chunks), status_code=status, headers=headers, media_type=media_type)


def _names(header: str | None, tag: str) -> bool:
    """Return whether a list of tags has one, weak or not."""
    return header is not None and (
        header.strip() == "*" or tag in (one.strip().removeprefix("W/") for one in header.split(","))
    )


def _range(headers: Headers, size: int, tag: str) -> tuple[int, int] | None:
    """Return the first byte that is asked for and the one after the last, empty where there is none.

    A header that is not valid, asks for several ranges or is about another file counts as none, as the standard allows.
    """
    match = RANGE.fullmatch(headers.get("range", "").strip())
    if match is None or headers.get("if-range", tag).strip() != tag:
        return None
    first, last = match[1], match[2]
    if not first:
        return (max(0, size - int(last)), size) if last else None
    if last and int(last) < int(first):
        return None
    return int(first), min(size, int(last) + 1) if last else size


def _not_satisfiable(size: int, request: Request) -> Response:
    error = RangeNotSatisfiableError(f"the file has {size} bytes", param="Range")
    request.scope["state"]["error_type"] = error.type
    answer = answer_of(error, request.scope["state"]["request_id"])
    answer.headers["Content-Range"] = f"bytes */{size}"
    return answer

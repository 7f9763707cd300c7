"""Who gets an answer: this machine, with the token of the address, and only the page itself.

It stands before every route. A request of a foreign page gets what an unknown address gets.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from hmac import compare_digest
from typing import Any

from fastapi.responses import JSONResponse, Response

from serving.api.browser_safety import HEADERS, header_values, is_foreign

MAX_BODY_BYTES = 50_000

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def guarded(app: App, token: str) -> App:
    """Return an application that refuses requests, cuts the token off the path and adds the headers.

    Args:
        app: What answers the requests that are not refused.
        token: The secret first part of every path.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # the server asks for nothing else, because it has no web sockets and no lifespan
            raise ValueError(f"a connection of the type {scope['type']} is not served")

        async def send_with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                more = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message.get("headers", ()), *more]}
            await send(message)

        inner = {**scope, "path": scope["path"].removeprefix(f"/{token}")}
        await (_refusal(scope, token) or app)(inner, receive, send_with_headers)

    return answer


def _refusal(scope: Scope, token: str) -> Response | None:
    headers = header_values(scope["headers"])
    given, _, rest = scope["path"].removeprefix("/").partition("/")
    right_token = compare_digest(given.encode(), token.encode()) and scope["path"] == f"/{given}/{rest}"
    if is_foreign(headers) or not right_token:
        return _error(404, "there is nothing here")
    if scope["method"] not in ("GET", "POST"):
        return _error(405, "a request is GET or POST")
    return _body_refusal(headers) if scope["method"] == "POST" else None


def _body_refusal(headers: dict[str, str]) -> Response | None:
    """Return the refusal of a body that a form of a foreign page could send, or that is too large."""
    length = headers.get("content-length", "")
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" or not (length.isascii() and length.isdigit()) or "transfer-encoding" in headers:
        return _error(400, "a request must be JSON with its Content-Length")
    if int(length) > MAX_BODY_BYTES:
        return _error(413, f"a request has at most {MAX_BODY_BYTES} bytes")
    return None


def _error(status: int, message: str) -> Response:
    return JSONResponse({"error": message}, status_code=status)

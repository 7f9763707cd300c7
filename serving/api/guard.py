"""What stands before every route: an id, the limits, the key, and headers for browsers.

In this order: too many connections, draining, foreign pages, the key, the size and the time of the body. A request that
is refused here reaches no route, and its body is not read.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from serving.api.browser_safety import HEADERS, header_values, is_foreign
from serving.api.failures import answer_of, internal_error
from serving.api.refusals import Refusals
from serving.api.service import Service
from serving.errors import (
    BodyTooLargeError,
    DrainingError,
    NotFoundError,
    RequestTimeoutError,
    ServingError,
    TooManyConnectionsError,
)
from serving.tracing.context import continue_trace
from serving.tracing.spans import Span, begin_span

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

SIGNED_PATHS = "/v1/objects/"  # their addresses are signed, which serving/storage/routes.py checks
OPEN_PATHS = frozenset({"/", "/healthz", "/readyz", "/metrics", "/openapi.json"})  # no key, no limit, also in a drain
UPLOAD_PATHS = frozenset({"/v1/provenance/verify"})  # their routes read the body themselves, with limits of their own
UNREAD_PATHS = OPEN_PATHS | UPLOAD_PATHS  # an open path takes no body, and nobody counts who sends one
log = logging.getLogger(__name__)


class Guard:
    """The application behind its checks."""

    def __init__(self, app: App, service: Service) -> None:
        """Take the routes and what the checks need.

        Args:
            app: Answers what is not refused.
            service: Settings, keys and counts.
        """
        self._app, self._service, self._refusals = app, service, Refusals()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, web socket or start of the server."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        request_id, begin = secrets.token_hex(16), time.perf_counter()
        headers = header_values(scope["headers"])
        counted = scope["path"] not in OPEN_PATHS
        answering = begin_span("request", headers.get("traceparent"), kind="server") if counted else None
        trace = answering.traceparent if answering else continue_trace(headers.get("traceparent"))
        state: dict[str, Any] = {"request_id": request_id, "traceparent": trace, "error_type": "", "status": 0}
        scope["state"] = {**scope.get("state", {}), **state}
        sending = _with_headers(send, {**HEADERS, "X-Request-Id": request_id, "traceparent": trace}, scope["state"])
        self._service.n_open += counted
        self._service.metrics.open.set(self._service.n_open)
        try:
            await self._answer(scope, receive, sending, headers=headers)
        finally:
            self._service.n_open -= counted
            self._service.metrics.open.set(self._service.n_open)
            if answering:
                self._log(scope, time.perf_counter() - begin)
                refusal = self._refusals.record_of(scope, time.perf_counter() - begin)
                if refusal is not None:
                    await self._service.record(refusal)
                _end_span(answering, scope)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, *, headers: dict[str, str]) -> None:
        state = scope["state"]
        try:
            if scope["path"] not in OPEN_PATHS:
                self._admit(headers)
                if not scope["path"].startswith(SIGNED_PATHS):
                    state["caller"] = await self._service.authenticate(headers.get("authorization"))
            elif not self._service.settings.require_keys and is_foreign(headers):
                raise NotFoundError("there is nothing here")
            has_body = scope["type"] == "http" and scope["method"] not in ("GET", "HEAD", "OPTIONS")
            if has_body and scope["path"] not in UNREAD_PATHS:
                receive = _replayed(await self._body(headers, receive), receive)
            await self._app(scope, receive, send)
        except ServingError as error:  # of the checks above: those of the routes were answered there
            state["error_type"] = error.type
            await answer_of(error, state["request_id"])(scope, receive, send)
        except Exception as error:  # noqa: BLE001  (the last resort: no client sees a traceback)
            fault = internal_error(error, state["request_id"])
            state["error_type"] = fault.type
            if not state["status"]:
                await answer_of(fault, state["request_id"])(scope, receive, send)

    def _admit(self, headers: dict[str, str]) -> None:
        settings = self._service.settings
        if not settings.require_keys and is_foreign(headers):
            raise NotFoundError("there is nothing here")
        if self._service.draining:
            raise DrainingError("the service is being stopped")
        if self._service.n_open > settings.limits.max_connections:
            raise TooManyConnectionsError(
                f"{self._service.n_open - 1} requests are open, and the service takes {settings.limits.max_connections}"
            )

    async def _body(self, headers: dict[str, str], receive: Receive) -> bytes:
        """Return the whole body, at most limits.max_body_bytes that arrive within limits.body_seconds."""
        limits = self._service.settings.limits
        too_large = BodyTooLargeError(f"the body has more than {limits.max_body_bytes} bytes")
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > limits.max_body_bytes:
            raise too_large
        body = bytearray()
        try:
            async with asyncio.timeout(limits.body_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise RequestTimeoutError("the client went away before its body had arrived")
                    body += message.get("body", b"")
                    if len(body) > limits.max_body_bytes:
                        raise too_large
                    if not message.get("more_body", False):
                        return bytes(body)
        except TimeoutError as error:
            raise RequestTimeoutError(f"the body did not arrive within {limits.body_seconds:g} s") from error

    def _log(self, scope: Scope, seconds: float) -> None:
        """Log one line without anything that the client wrote."""
        state, route = scope["state"], scope.get("route")
        path, method = getattr(route, "path", "-"), scope.get("method", "WS")
        self._service.metrics.answers.labels(path, str(state["status"]), state["error_type"]).inc()
        log.info(
            "request=%s method=%s route=%s status=%s error=%s seconds=%.3f",
            *(state["request_id"], method, path, state["status"] or "-", state["error_type"] or "-", seconds),
        )


def _end_span(answering: Span, scope: Scope) -> None:
    """End the span of a request, named by its route, because its path is what a client wrote."""
    state, method = scope["state"], scope.get("method", "WS")
    path = getattr(scope.get("route"), "path", "-")
    answering.rename(f"{method} {path}")
    answering.note(http__request__method=method, http__route=path, http__response__status_code=state["status"])
    answering.note(request_id=state["request_id"])
    if state["error_type"]:
        answering.fail(state["error_type"])
    answering.end()


def _with_headers(send: Send, headers: dict[str, str], state: dict[str, Any]) -> Send:
    """Return `send` with headers for each answer that does not set them itself. It also notes the status."""
    more = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def sending(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            state["status"] = message["status"]
        if message["type"] == "websocket.accept":
            state["status"] = 101
        if message["type"] in ("http.response.start", "websocket.http.response.start", "websocket.accept"):
            given = list(message.get("headers", ()))
            names = {name.lower() for name, _ in given}
            message = {**message, "headers": [*given, *(one for one in more if one[0] not in names)]}
        await send(message)

    return sending


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives a body that was read already, and then what comes after it."""
    first = True

    async def replay() -> Message:
        nonlocal first
        if first:
            first = False
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return replay

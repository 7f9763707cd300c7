"""Errors as answers: one shape for all of them, with the status and the type of serving/errors.py."""

from __future__ import annotations

import logging
import math
import traceback

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from registry.names import shorten
from serving.api.service import request_id_of
from serving.errors import (
    BusyError,
    ClientError,
    InternalError,
    InvalidJsonError,
    InvalidRequestError,
    MethodNotAllowedError,
    NotFoundError,
    ServingError,
    UnauthenticatedError,
    UnsupportedMediaTypeError,
)

log = logging.getLogger(__name__)
MAX_FAULTS = 5  # wrong fields that one answer names
FAULT = "the service has a fault; its log has the place under the request_id"
DEFAULT_RETRY_SECONDS = 1.0  # where the service is busy and does not know for how long


def answer_of(error: ServingError, request_id: str) -> Response:
    """Return the answer of an error, for a request and for a web socket that was not accepted yet."""
    headers = {}
    if isinstance(error, BusyError):
        seconds = DEFAULT_RETRY_SECONDS if error.retry_after is None else error.retry_after
        headers["Retry-After"] = str(max(1, math.ceil(seconds)))
    if isinstance(error, UnauthenticatedError):
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(error.body(request_id), status_code=error.status, headers=headers)


def add_handlers(app: FastAPI) -> None:
    """Make every error of the routes an answer in the documented shape."""

    async def serving_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, ServingError)
        request.scope["state"]["error_type"] = error.type
        return answer_of(error, request_id_of(request))

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        answer = await serving_error(request, _translated(request, error))
        answer.headers.update(error.headers or {})
        return answer

    async def not_valid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return await serving_error(request, validation_error(error, request.headers.get("content-type", "")))

    async def fault(request: Request, error: Exception) -> Response:  # the guard logs it
        return answer_of(InternalError(FAULT), request_id_of(request))

    app.add_exception_handler(ServingError, serving_error)
    app.add_exception_handler(Exception, fault)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(RequestValidationError, not_valid)


def validation_error(error: RequestValidationError, content_type: str) -> ServingError:
    """Return what is wrong with a body or a parameter, field by field."""
    faults = error.errors()
    if any(fault["type"] == "json_invalid" for fault in faults):
        return InvalidJsonError(f"the body is not JSON: {faults[0].get('ctx', {}).get('error', 'it cannot be read')}")
    kind = content_type.partition(";")[0].strip().lower()
    if faults[0]["loc"][:1] == ("body",) and kind != "application/json" and not kind.endswith("+json"):
        return UnsupportedMediaTypeError(f"the Content-Type is {shorten(content_type)!r} and must be application/json")
    return invalid_fields([(fault["loc"][1:], fault["msg"], fault["type"], fault.get("input")) for fault in faults])


def invalid_fields(faults: list[tuple[tuple[int | str, ...], str, str, object]]) -> InvalidRequestError:
    """Return the error about wrong fields.

    Args:
        faults: Of each its path, what pydantic says, pydantic's type of it, and the value seen.
    """
    sentences = []
    for path, text, kind, seen in faults[:MAX_FAULTS]:
        shown = "" if kind == "missing" or isinstance(seen, dict) else f" (seen: {shorten(seen)})"
        sentences.append(f"{_dotted(path) or 'the body'}: {text}{shown}")
    return InvalidRequestError("; ".join(sentences), param=_dotted(faults[0][0]) or None)


def internal_error(error: Exception, request_id: str) -> InternalError:
    """Log where a fault happened, and return what the client may know."""
    log_fault(error, request_id)
    return InternalError(FAULT)


def log_fault(error: BaseException, name: str) -> None:
    """Log where a fault happened, but not its message, which may hold a text.

    Args:
        error: The fault.
        name: Of the request, the job or the row.
    """
    places = [f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    log.error("request=%s fault=%s at %s", name, type(error).__name__, " < ".join(reversed(places[-6:])))


def _dotted(path: tuple[int | str, ...]) -> str:
    return ".".join(shorten(part) for part in path)


def _translated(request: Request, error: HTTPException) -> ServingError:
    if error.status_code == 404:
        return NotFoundError(f"there is nothing at {shorten(request.url.path)}")
    if error.status_code == 405:
        return MethodNotAllowedError(f"{request.method} is not answered at {shorten(request.url.path)}")
    if error.status_code == 400:
        return InvalidJsonError("the body is not JSON in UTF-8, or nested too deeply")
    return ClientError("the request cannot be answered")

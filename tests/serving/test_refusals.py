"""Requests that were refused before the engine was asked have a record for the audit."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx
import pytest
from serving_helpers import ThreadEngine, running, speak
from websockets.sync.client import connect

from serving.api import refusals
from serving.errors import KeyScopeError, UnauthenticatedError


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


class Reader:
    """A key that covers no voice but anna."""

    name = "reader"

    def require(self, *, voice: str, lane: str, purpose: str | None) -> None:
        if voice != "anna":
            raise KeyScopeError("the key does not cover this voice")

    def require_valid(self) -> None:
        pass

    def sees(self, voice: str) -> bool:
        return True


async def authenticate(authorization: str | None) -> Reader:
    if authorization != "Bearer good":
        raise UnauthenticatedError("the key is not known")
    return Reader()


def ask(service, *, key: str = "good", **changes: object) -> httpx.Response:
    body = {"model": "tts-1", "input": "The kettle is on.", "voice": "anna", "seed": 3} | changes
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.post(f"{service.address}/v1/audio/speech", json=body, headers=headers, timeout=30)


@pytest.mark.parametrize(
    ("changes", "status", "kind", "voice"),
    [
        ({"voice": "bob"}, 403, "key_scope", "bob"),
        ({"input": ""}, 422, "unspeakable_text", "anna"),
        ({"speed": "fast"}, 422, "invalid_request", "-"),
        ({"key": "bad"}, 401, "unauthenticated", "-"),
    ],
    ids=["right", "text", "body", "key"],
)
def test_a_refused_request_has_one_record_with_what_is_known_of_it(changes, status, kind, voice):
    with running(ThreadEngine(), authenticate=authenticate) as service:
        answer = ask(service, **changes)
        assert answer.status_code == status and answer.json()["error"]["type"] == kind
        record = service.record_of(answer.headers["x-request-id"])
    assert (record.route, record.status, record.error_type) == ("speech", status, kind)
    assert record.caller == ("-" if status == 401 else "reader") and record.request.voice == voice
    assert record.started is None


@pytest.mark.parametrize(
    ("form", "fail_after", "status"),
    [("audio", 0, 500), ("json", 0, 500), ("json", 1, 500), ("sse", 1, 200)],
    ids=["before its sound", "whole, before its sound", "whole", "in a stream"],
)
def test_a_fault_of_the_service_is_no_success_in_the_audit(form, fail_after, status):
    with running(ThreadEngine(error=ZeroDivisionError("a text"), fail_after=fail_after)) as service:
        answer = speak(service, stream_format=form)
        assert answer.status_code == status
        assert "internal_error" in answer.text and "a text" not in answer.text
        record = service.record_of(answer.headers["x-request-id"])
    assert (record.status, record.error_type, record.client_left) == (500, "internal_error", False)


def test_a_request_that_reached_the_engine_has_one_record_and_other_addresses_have_none():
    with running(ThreadEngine()) as service:
        assert speak(service, voice="nobody").status_code == 404
        assert httpx.get(f"{service.address}/v1/nothing").status_code == 404
        with connect(service.web_socket) as socket:
            socket.send("no JSON")
            assert "error" in socket.recv(timeout=20)
        wait_until(lambda: len(service.records) == 2)
        assert [(record.route, record.status) for record in service.records] == [("speech", 404), ("stream", 101)]


def test_requests_without_a_key_cannot_fill_the_audit(monkeypatch):
    monkeypatch.setattr(refusals, "UNKNOWN_ROWS_PER_MINUTE", 3)
    with running(ThreadEngine(), authenticate=authenticate) as service:
        assert {ask(service, key="bad").status_code for _ in range(6)} == {401}
        answer = ask(service, voice="bob")
        service.record_of(answer.headers["x-request-id"])
        assert answer.status_code == 403 and len(service.records) == 4

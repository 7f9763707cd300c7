"""Bad input: a documented error each, without a traceback, and the service goes on."""

from __future__ import annotations

import json

import httpx
import pytest
from serving_helpers import ThreadEngine, make_settings, running, speak

from serving.errors import documented_errors

TYPES = {error.type: error.status for error in documented_errors()}


def check(answer: httpx.Response, status: int, kind: str, param: str | None = None) -> str:
    """Check an error's documented shape and return its message."""
    assert answer.status_code == status, answer.text
    assert TYPES[kind] == status
    error = answer.json()["error"]
    assert set(error) == {"type", "message", "param", "request_id"}
    assert (error["type"], error["param"]) == (kind, param)
    assert error["request_id"] == answer.headers["x-request-id"]
    assert "Traceback" not in answer.text and "\n" not in error["message"]
    return error["message"]


@pytest.mark.parametrize(
    ("changes", "status", "kind", "param"),
    [
        ({"input": ""}, 422, "unspeakable_text", "input"),
        ({"input": " \n\t"}, 422, "unspeakable_text", "input"),
        ({"input": "a" * 100_000}, 413, "text_too_long", "input"),
        ({"input": "to\x00day"}, 422, "unspeakable_text", "input"),
        ({"input": "to\x1b[31mday"}, 422, "unspeakable_text", "input"),
        ({"input": "😀🎉"}, 422, "unspeakable_text", "input"),
        ({"input": "..."}, 422, "unspeakable_text", "input"),
        ({"input": 7}, 422, "invalid_request", "input"),
        ({"input": None}, 422, "invalid_request", "input"),
        ({"voice": "nobody"}, 404, "unknown_voice", "voice"),
        ({"voice": "../../etc/passwd"}, 422, "invalid_request", "voice"),
        ({"voice": {"id": "nobody"}}, 404, "unknown_voice", "voice"),
        ({"voice": {"id": "anna", "x": 1}}, 422, "invalid_request", "voice"),
        ({"response_format": "ogg"}, 422, "invalid_request", "response_format"),
        ({"response_format": "opus", "sample_rate": 44_100}, 422, "invalid_request", "sample_rate"),
        ({"model": "gpt-9"}, 422, "invalid_request", "model"),
        ({"instructions": "angry"}, 422, "invalid_request", "instructions"),
        ({"speed": 1.5}, 422, "speed_not_served", "speed"),
        ({"speed": "fast"}, 422, "invalid_request", "speed"),
        ({"language": "klingon"}, 422, "language_not_served", "language"),
        ({"purpose": "mischief"}, 422, "invalid_request", "purpose"),
        ({"seed": -1}, 422, "invalid_request", "seed"),
        ({"seed": 2**31}, 422, "invalid_request", "seed"),
        ({"version": 0}, 422, "invalid_request", "version"),
        ({"version": 10**30}, 422, "invalid_request", "version"),
        ({"preset": "No Such!"}, 422, "invalid_request", "preset"),
        ({"lane": "fast"}, 422, "invalid_request", "lane"),
        ({"weights": "/tmp/evil.ckpt"}, 422, "invalid_request", "weights"),
        ({"stream_format": "xml"}, 422, "invalid_request", "stream_format"),
    ],
)
def test_a_wrong_field_is_named(service, changes, status, kind, param):
    check(speak(service, **changes), status, kind, param)


def post(service, content: bytes, kind: str | None = "application/json") -> httpx.Response:
    headers = {"Content-Type": kind} if kind else {}
    return httpx.post(f"{service.address}/v1/audio/speech", content=content, headers=headers, timeout=30)


@pytest.mark.parametrize(
    "content",
    [b"{", b"", b"\xff\xfe{", b"nonsense", b'{"input": "\xc3"}', b"[" * 200_000, b'{"input": 1' + b"0" * 5000 + b"}"],
    ids=["open", "empty", "bytes", "word", "not UTF-8", "deep", "long number"],
)
def test_broken_json_is_refused(service, content):
    answer = post(service, content)
    assert answer.status_code in (400, 422)
    check(answer, answer.status_code, "invalid_json" if answer.status_code == 400 else "invalid_request", None)


@pytest.mark.parametrize("content", [b"[]", b"null", b"7", b'"text"'])
def test_json_that_is_not_an_object_is_refused(service, content):
    check(post(service, content), 422, "invalid_request")


def test_not_a_number_is_refused(service):
    check(post(service, b'{"input": "a", "voice": "anna", "speed": NaN}'), 422, "invalid_request", "speed")


def test_half_of_a_character_is_refused(service):
    body = b'{"input": "Yes \\ud83d.", "voice": "anna"}'
    answer = post(service, body)
    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["error"]["type"] in ("unspeakable_text", "invalid_request", "invalid_json")


@pytest.mark.parametrize("field", ["language", "preset", "seed", "lane", "voice", "speed"])
def test_half_of_a_character_is_refused_in_every_field(service, field):
    body = {"input": "Yes.", "voice": "anna", field: "\ud800"}
    answer = post(service, json.dumps(body).encode())
    message = check(answer, 422, answer.json()["error"]["type"], field)
    assert "\\ud800" in message


def test_an_unknown_name_is_told_short_and_also_where_it_is_half_of_a_character(service):
    for name, told in (("\ud800", None), ("x" * 200_000, "x" * 60)):  # pydantic does not say which name it cannot read
        answer = post(service, json.dumps({"input": "Yes.", "voice": "anna", name: 1}).encode())
        check(answer, 422, "invalid_request", told)
        assert len(answer.content) < 1000


@pytest.mark.parametrize(
    "kind", ["text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", None]
)
def test_what_a_form_of_a_foreign_page_can_send_is_refused(service, kind):
    body = json.dumps({"input": "Yes.", "voice": "anna"}).encode()
    check(post(service, body, kind), 415, "unsupported_media_type")


def test_emoji_among_words_are_passed_over(service):
    assert speak(service, input="Hello 😀 there.").status_code == 200


def test_unknown_addresses_and_methods_have_the_shape_too(service):
    check(httpx.get(f"{service.address}/v1/nothing"), 404, "not_found")
    check(httpx.get(f"{service.address}/%00/../..//etc/passwd"), 404, "not_found")
    answer = httpx.get(f"{service.address}/v1/audio/speech")
    check(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"
    check(httpx.get(f"{service.address}/v1/voices/nobody"), 404, "unknown_voice", "voice")


def test_a_large_body_is_refused_before_it_is_read():
    with running(settings=make_settings(max_body_bytes=5000)) as service:
        check(post(service, b" " * 5001), 413, "body_too_large")
        chunks = (b" " * 1000 for _ in range(6))
        answer = httpx.post(f"{service.address}/v1/audio/speech", content=chunks, timeout=30)
        check(answer, 413, "body_too_large")


def test_a_foreign_page_on_this_machine_gets_nothing(service):
    for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Origin": "null"}):
        check(httpx.get(f"{service.address}/v1/voices", headers=headers), 404, "not_found")
        check(httpx.get(f"{service.address}/", headers=headers), 404, "not_found")


def test_a_fault_of_ours_is_500_in_the_same_shape_and_its_text_is_not_logged(caplog):
    with running(ThreadEngine(error=ZeroDivisionError("a secret text"))) as service:
        check(speak(service), 500, "internal_error")
    assert "ZeroDivisionError" in caplog.text and "secret text" not in caplog.text

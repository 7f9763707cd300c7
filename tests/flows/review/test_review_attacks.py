"""Attacks on the page of `vox review`: foreign pages, guessed addresses, paths in keys, and broken requests."""

from __future__ import annotations

import json
import socket
import urllib.parse

import pytest
from http_helpers import request
from review_helpers import clips_of, details_of, rows_of


@pytest.mark.parametrize("route", ["", "clips", "sound?key=x"])
@pytest.mark.parametrize("token", ["", "x", "..", "%2e%2e", "x" * 32])
def test_requests_without_the_token_get_404(address, route, token):
    right = urllib.parse.urlsplit(address).path.strip("/")
    root = address.removesuffix(f"{right}/")
    for guess in (f"{root}{token}/{route}", f"{root}{token}", f"{root}{right}", f"{root}{right}x/"):
        status, _, content = request(guess)
        assert status == 404 and right.encode() not in content
    assert request(f"{root}{token}/decide", {"key": "x", "revision": "", "action": "drop"})[0] == 404


@pytest.mark.parametrize("path", ["docs", "openapi.json", "redoc", "../params.yaml", "page.html", "static/x", "clips/"])
def test_nothing_but_the_routes_is_served(address, path):
    assert request(address + path)[0] == 404


@pytest.mark.parametrize(
    "key", ["../../etc/passwd", "..%2f..%2fparams.yaml", "", "x:0.0:1.0", "audio/x.flac", "%00", "x" * 300, "%ff%fe"]
)
def test_no_key_leads_to_a_file(address, key):
    for route in ("sound", "clip"):
        status, content = raw_get(address, f"{route}?key={key}")
        assert status in (400, 410) and b'"error"' in content and b"root:" not in content


def raw_get(url, path):
    """Send a GET whose path no client has normalised, and return the status and the answer."""
    parts = urllib.parse.urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        head = f"GET {parts.path}{path} HTTP/1.1\r\nHost: 127.0.0.1:{parts.port}\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    return int(answer.split()[1]), answer


def test_foreign_hosts_and_origins_get_nothing(address, project):
    clip = clips_of(address)[0]
    body = {"key": clip["key"], "revision": details_of(address, clip)["revision"], "action": "drop"}
    own = address.split("/")[2]
    for headers in ({"Host": "evil.example"}, {"Host": "evil.example:80"}, {"Origin": "https://evil.example"},
                    {"Origin": "null"}, {"Origin": f"https://{own}"}, {"Origin": "http://127.0.0.1:1"}):  # fmt: skip
        assert request(address, None, **headers)[0] == 404
        status, sent, _ = request(f"{address}decide", body, **headers)
        assert status == 404 and not any(name.lower().startswith("access-control") for name in sent)
    assert rows_of(project) == []
    assert request(f"{address}decide", body, Origin=f"http://{own}")[0] == 200


def test_a_form_of_another_page_cannot_decide(address, project):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        assert request(f"{address}undo", b"{}", **{"Content-Type": kind})[0] == 400
    assert rows_of(project) == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b"{" * 9000, 400),
        (b"\xff", 400),
        (b'{"key": "' + b"x" * 60_000 + b'"}', 413),
        (b'{"key": "x", "revision": "", "action": "delete"}', 400),
        (b'{"key": "x", "revision": "", "action": "split", "at": NaN}', 400),
        (b'{"key": "x", "revision": "", "action": "drop", "path": "/etc/passwd"}', 400),
        (b'{"key": "x", "revision": "", "action": "drop"}', 410),
    ],
)
def test_a_broken_request_gets_a_sentence_and_writes_nothing(address, project, body, status):
    found, headers, content = request(f"{address}decide", body)
    assert (found, headers["content-type"]) == (status, "application/json")
    assert json.loads(content)["error"]
    assert rows_of(project) == []


def test_other_methods_are_refused(address):
    parts = urllib.parse.urlsplit(address)
    for method in ("PUT", "DELETE", "OPTIONS", "TRACE"):
        with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
            connection.sendall(
                f"{method} {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n".encode()
            )
            assert connection.recv(200).split()[1] == b"405"


def test_every_answer_forbids_caches_sniffing_and_foreign_scripts(address):
    status, headers, content = request(address)
    assert status == 200
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    for answer in (headers, request(f"{address}clips")[1], request(f"{address}x")[1]):
        assert (answer["cache-control"], answer["x-content-type-options"]) == ("no-store", "nosniff")
        assert (answer["referrer-policy"], answer["cross-origin-resource-policy"]) == ("no-referrer", "same-origin")
    nonce = policy.split("'nonce-")[1].split("'")[0]
    assert nonce in content.decode() and nonce not in request(address)[1]["content-security-policy"]

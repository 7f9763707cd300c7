"""Requests to the local pages, without a browser."""

from __future__ import annotations

import json
import urllib.error
import urllib.request


def request(url: str, body: object = None, **headers: str) -> tuple[int, dict, bytes]:
    """Return status, headers and body. `body` is JSON to POST, None for a GET, or bytes to send unchanged."""
    content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    sent = {"Content-Type": "application/json"} if content is not None else {}
    prepared = urllib.request.Request(url, content, {**sent, **headers})
    try:
        with urllib.request.urlopen(prepared, timeout=30) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


def ask(url: str, route: str, **body: object) -> dict:
    """Return the JSON answer of a request that must succeed."""
    status, _, content = request(url + route, body)
    assert status == 200, content
    return json.loads(content)

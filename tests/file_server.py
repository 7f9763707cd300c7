"""A file server for tests that serves ranges and can drop connections, state wrong lengths and answer errors."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class FileServer:
    """The state of a server.

    Attributes:
        files: content by path.
        ranges: whether ranges are served.
        tags: whether entity tags are sent.
        behave: may be set to a function that answers a request itself and then returns True.
        requests: (path, Range header) of each request.
        url: address of the server.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.ranges = True
        self.tags = True
        self.behave: Callable[[Any, bytes], bool] = lambda request, data: False
        self.requests: list[tuple[str, str | None]] = []
        self.url = ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"  # the end of the answer closes the connection, as a break does
    files: FileServer

    def do_GET(self) -> None:
        server = self.files
        server.requests.append((self.path, self.headers.get("Range")))
        data = server.files.get(self.path)
        if data is None:
            self.send_error(404)
            return
        if server.behave(self, data):
            return
        tag = f'"{hashlib.md5(data).hexdigest()}"'
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")) if server.ranges else None
        if wanted and self.headers.get("If-Range") == tag:
            start = int(wanted.group(1))
            if start >= len(data):
                self.answer(416, b"", tag)
            else:
                self.answer(206, data[start:], tag, {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"})
        else:
            self.answer(200, data, tag)

    def answer(
        self,
        status: int,
        data: bytes,
        tag: str | None,
        headers: dict[str, str] | None = None,
        length: int | None = None,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data) if length is None else length))
        if tag and self.files.tags:
            self.send_header("ETag", tag)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments: object) -> None:
        """Print nothing."""


@contextmanager
def file_server() -> Iterator[FileServer]:
    server = FileServer()
    handler = type("Handler", (_Handler,), {"files": server})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        server.url = f"http://127.0.0.1:{http.server_address[1]}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()

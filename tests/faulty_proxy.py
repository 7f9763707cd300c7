"""A proxy in front of a server that answers 503, or cuts bodies short, where a test wants it."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import urlsplit

Fault = Literal["", "503", "cut"]
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


class FaultyProxy:
    """The state of a proxy.

    Attributes:
        target: The address of the server behind it.
        choose_fault: Says by method and path what goes wrong, nothing at first.
        n_faults: How many requests went wrong.
        url: The proxy's own address.
    """

    def __init__(self, target: str) -> None:
        self.target = urlsplit(target)
        self.choose_fault: Callable[[str, str], Fault] = lambda method, path: ""
        self.n_faults = 0
        self.url = ""


class _Handler(BaseHTTPRequestHandler):
    proxy: FaultyProxy

    def answer(self) -> None:
        proxy = self.proxy
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = proxy.choose_fault(self.command, self.path)
        proxy.n_faults += bool(fault)
        if fault == "503":
            return self.send_error(503)
        connection = http.client.HTTPConnection(proxy.target.hostname, proxy.target.port, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        connection.request(self.command, self.path, sent, headers)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        self.send_response(response.status)
        for name, value in response.getheaders():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if fault == "cut" else body)  # HTTP/1.0: then the connection closes

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 - the names of http.server

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def faulty_proxy(target: str) -> Iterator[FaultyProxy]:
    """Run a proxy in front of a server."""
    proxy = FaultyProxy(target)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": proxy}))
    proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()

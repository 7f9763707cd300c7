"""A real Redis on loopback for tests, which can be stopped and started again."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest
from postgres_server import free_port, skip_without_server

from stages.execution.processes import die_with_parent

PASSWORD = "only for tests"


class RedisServer:
    """A server of its own, whose contents end with it.

    Attributes:
        port: On 127.0.0.1, the same after a restart.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self._process: subprocess.Popen | None = None

    @property
    def uri(self) -> str:
        return f"redis://:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--requirepass", PASSWORD]
        memory = ["--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru"]
        self._process = subprocess.Popen(
            ["redis-server", *options, *memory], stdout=subprocess.DEVNULL, preexec_fn=die_with_parent
        )
        for _ in range(500):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.01)
        raise AssertionError("redis-server does not answer")

    def stop(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A Redis of this test process. A test that stops it starts it again."""
    if not shutil.which("redis-server"):
        skip_without_server("redis-server is not installed; apt-get install redis-server")
    server = RedisServer()
    server.start()
    yield server
    server.stop()

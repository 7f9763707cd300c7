"""The server: a port, connections with time limits, and an end that lets running requests finish."""

from __future__ import annotations

import asyncio
import resource
import socket
from types import FrameType
from typing import ClassVar

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from serving.api.guard import Guard
from serving.api.service import Service
from serving.settings import Limits, ServeSettings

KEEP_ALIVE_SECONDS = 20
BACKLOG = 4096  # connections that the kernel holds until they are accepted
POLL_SECONDS = 0.05
WEB_SOCKET_PING_SECONDS = 20.0  # a client that does not answer within as long again is disconnected


class SlowReaderLimit(asyncio.Protocol):
    """A part of a connection: it is cut when its client does not take what it is sent in time."""

    limits: ClassVar[Limits]  # set by `DrainingServer`
    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    _stall: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._unset_stall()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Give a client that does not read some time."""
        super().pause_writing()
        self._unset_stall()
        self._stall = self.loop.call_later(self.limits.slow_reader_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on with a client that reads."""
        super().resume_writing()
        self._unset_stall()

    def _unset_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None


class Connection(SlowReaderLimit, H11Protocol):
    """A connection that must also send each request in time."""

    _silence: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._expect_request(self.limits.body_seconds, after=None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        if self._silence is not None:
            self._silence.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Begin to wait for the next request."""
        answered = self.cycle
        super().on_response_complete()
        self._expect_request(KEEP_ALIVE_SECONDS + self.limits.body_seconds, after=answered)

    def _expect_request(self, seconds: float, after: RequestResponseCycle | None) -> None:
        """Close the connection unless the headers of another request are complete within some seconds."""
        if self._silence is not None:
            self._silence.cancel()
        self._silence = self.loop.call_later(seconds, self._end_silence, after)

    def _end_silence(self, after: RequestResponseCycle | None) -> None:
        if self.cycle is after and self.transport.get_protocol() is self:
            self.transport.abort()


class DrainingServer(uvicorn.Server):
    """A uvicorn server that drains: it refuses new requests, lets running ones end, and then stops."""

    def __init__(self, app: Guard, service: Service, *, settings: ServeSettings) -> None:
        """Take what it serves. Nothing listens before `bind`.

        Args:
            app: The routes.
            service: Their state.
            settings: Address and limits.
        """

        class LimitedConnection(Connection):
            limits = settings.limits

        class LimitedWebSocket(SlowReaderLimit, WebSocketsSansIOProtocol):
            limits = settings.limits

        super().__init__(
            uvicorn.Config(
                app,
                http=LimitedConnection,
                ws=LimitedWebSocket,
                ws_max_size=settings.limits.max_body_bytes,
                ws_per_message_deflate=False,  # sound does not become smaller
                ws_ping_interval=WEB_SOCKET_PING_SECONDS,
                ws_ping_timeout=WEB_SOCKET_PING_SECONDS,
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=False,
                backlog=BACKLOG,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=1,  # what still runs after the drain
            )
        )
        self._service, self._settings = service, settings
        self._drain: asyncio.Task | None = None

    def bind(self) -> tuple[socket.socket, str]:
        """Return a socket that listens, and the address of the service.

        Raises:
            OSError: The address cannot be used, in a sentence.
        """
        host, port = self._settings.host, self._settings.port
        try:
            family, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            # With the protocol, or asyncio leaves Nagle's algorithm on: answers wait up to 40 ms for an acknowledgement
            listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(place)
            listening.listen(BACKLOG)
        except OSError as error:
            raise OSError(
                f"{host}:{port} cannot be used ({error.strerror}); name another with --port, or set serve.port"
            ) from error
        shown = f"[{host}]" if ":" in host else host
        return listening, f"http://{shown}:{listening.getsockname()[1]}"

    async def run_until_drained(self, listening: socket.socket) -> None:
        """Serve until a signal or `drain`, then end what runs."""
        allow_connections(self._settings.limits.max_connections)
        self._loop = asyncio.get_running_loop()
        await self.serve(sockets=[listening])

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain at the first signal, and stop at once at the second."""
        if self._service.draining:
            self.should_exit = self.force_exit = True
            return
        self._loop.call_soon_threadsafe(self.drain)

    def drain(self) -> None:
        """Refuse new requests, and stop when running ones have ended or limits.drain_seconds are over."""
        if not self._service.draining:
            self._service.draining = True
            self._drain = self._loop.create_task(self._wait_and_exit())

    async def _wait_and_exit(self) -> None:
        end = self._loop.time() + self._settings.limits.drain_seconds
        while self._service.n_open and self._loop.time() < end:
            await asyncio.sleep(POLL_SECONDS)
        self.should_exit = True


def allow_connections(n_connections: int) -> None:
    """Allow this process as many open files as its connections need, as far as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = n_connections + 512
    if soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))

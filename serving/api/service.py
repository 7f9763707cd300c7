"""What every route needs: the engine, the settings, and who is asking."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol, cast

from starlette.requests import HTTPConnection

from serving.api.callers import Authenticate, Caller
from serving.api.metrics import Metrics
from serving.errors import ServingError
from serving.messages import Event, Health, RequestRecord, ServedVoice, SpeechRequest
from serving.provenance.service import Provenance
from serving.settings import ServeSettings

N_ENCODING_THREADS = 4  # a second of MP3 takes 10 ms
N_FILE_THREADS = 2  # a file of minutes takes seconds, which no stream waits for


class Engine(Protocol):
    """The side of serving/engine that the API calls."""

    def speak(self, request: SpeechRequest) -> AsyncGenerator[Event, None]:
        """Yield the events of a request. Closing the generator cancels the request within one chunk."""
        ...

    async def price(self, request: SpeechRequest) -> float:
        """Return the expected seconds of speech."""
        ...

    async def check(self, request: SpeechRequest, *, candidate_id: str | None = None) -> None:
        """Raise the ServingError that an admission would raise now, whatever the text is.

        Args:
            request: How a text is spoken.
            candidate_id: What has spoken it already, which may have been taken out of service.
        """
        ...

    def voices(self) -> tuple[ServedVoice, ...]:
        """Return what is served now."""
        ...

    def health(self) -> Health:
        """Return the state of the engine."""
        ...


Recorder = Callable[[RequestRecord], Awaitable[None]]


@dataclass(kw_only=True)
class Service:
    """The state of one API process.

    Attributes:
        engine: Speaks.
        settings: The section `serve`.
        authenticate: Returns the caller of a request.
        recorders: Get a record of each request when it has ended.
        metrics: What Prometheus reads.
        provenance: Marks what is delivered, where it is marking. None: nothing is marked.
        draining: Whether the service is being stopped.
        n_open: Requests and web sockets that are being answered.
        encoders: Threads that encode the sound of streams, piece by piece.
        file_encoders: Threads that encode and mark whole files.
    """

    engine: Engine
    settings: ServeSettings
    authenticate: Authenticate
    recorders: tuple[Recorder, ...]
    metrics: Metrics
    provenance: Provenance | None = None
    draining: bool = False
    n_open: int = 0
    encoders: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(N_ENCODING_THREADS, thread_name_prefix="encode")
    )
    file_encoders: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(N_FILE_THREADS, thread_name_prefix="encode-file")
    )

    async def record(self, record: RequestRecord) -> None:
        """Give the record of a request that has ended to all recorders."""
        for recorder in self.recorders:
            try:
                await recorder(record)
            except ServingError:  # the request itself was answered
                self.metrics.unrecorded.inc()

    async def count_job(self, record: RequestRecord) -> None:
        """Count the speech of an item of a job. Nothing was answered, so nothing else of it is counted."""
        self.metrics.count_speech(record)


def service_of(connection: HTTPConnection) -> Service:
    """Return the service that a request came to."""
    return cast(Service, connection.app.state.service)


def current_caller(connection: HTTPConnection) -> Caller:
    """Return who sends a request. The guard has checked the key already, before the body was read."""
    return cast(Caller, connection.scope["state"]["caller"])


def request_id_of(connection: HTTPConnection) -> str:
    """Return the id that the guard gave to a request."""
    return cast(str, connection.scope["state"]["request_id"])

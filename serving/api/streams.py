"""The events of one request on their way to a client: read ahead, timed, counted, and recorded at the end."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from starlette.websockets import WebSocketDisconnect

from serving.api.bodies import WordInfo
from serving.api.callers import Caller
from serving.api.failures import internal_error
from serving.api.service import Service
from serving.encoding import Encoder, Format
from serving.errors import (
    ConsentError,
    DeadlineError,
    RevokedError,
    ServingError,
    UnknownVoiceError,
    VoiceDamagedError,
)
from serving.messages import AudioPiece, Event, Finished, RequestRecord, SentenceDone, SpeechRequest, Started
from serving.tracing.spans import span

CHECK_SECONDS = 1.0  # between two looks at the consent while sound is delivered
DAMAGED_SECONDS = 2.0  # for which a journal that cannot be read counts as a write in progress
Receive = Callable[[], Awaitable[dict]]


@dataclass(kw_only=True)
class Utterance:
    """One request at the engine, from its admission to its record.

    Attributes:
        service: The engine and who records.
        request: What was asked for.
        route: Where it came in.
        caller: Who asks.
        form: Format of the sound.
        started: What the engine admitted.
        sentences: Outcomes so far.
        finished: The last event.
        status: HTTP status of the answer.
        error: What ended it.
        client_left: Whether the client went away.
        started_at: When the request came in, in UTC.
    """

    service: Service
    request: SpeechRequest
    route: Literal["speech", "stream"]
    caller: Caller
    form: Format
    started: Started | None = None
    sentences: list[SentenceDone] = field(default_factory=list)
    finished: Finished | None = None
    status: int = 200
    error: ServingError | None = None
    client_left: bool = False
    _begin: float = field(default_factory=time.perf_counter)
    _n_samples: int = 0
    _begins: dict[int, int] = field(default_factory=dict)  # first sample of each sentence
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    _first_audio: float | None = None
    _n_bytes: int = 0
    _damaged_since: float | None = None
    _next_check: float = field(default_factory=lambda: time.perf_counter() + CHECK_SECONDS)

    async def events(self) -> AsyncGenerator[Event, None]:
        """Yield the events of the engine, at most limits.max_unread_bytes ahead of the client.

        Closing the generator cancels the request.

        Raises:
            ServingError: The engine refused or failed, or the request took longer than it may.
        """
        limits = self.service.settings.limits
        deadline = self._begin + limits.max_request_seconds
        async with aclosing(read_ahead(self.service.engine.speak(self.request), limits.max_unread_bytes)) as events:
            while True:
                try:
                    async with asyncio.timeout(deadline - time.perf_counter()):
                        event = await anext(events)
                except StopAsyncIteration:
                    return
                except TimeoutError as error:
                    raise DeadlineError(
                        f"the request took longer than {limits.max_request_seconds:g} s", retry_after=1.0
                    ) from error
                if self.started is not None and time.perf_counter() >= self._next_check:
                    await self.check_delivery()
                self._note(event)
                yield event

    def words_of(self, done: SentenceDone) -> list[dict[str, Any]]:
        """Return the words of a sentence with their times in the whole sound, as clients see them."""
        assert self.started is not None
        begin = self._begins.get(done.sentence, self._n_samples) / self.started.sample_rate
        return [WordInfo.of(word, begin).model_dump() for word in done.words or ()]

    def note_sent(self, n_bytes: int) -> None:
        """Note that sound is on its way to the client."""
        if n_bytes and self._first_audio is None:
            self._first_audio = time.perf_counter() - self._begin
        self._n_bytes += n_bytes

    @asynccontextmanager
    async def recorded(self) -> AsyncIterator[None]:
        """Do the work of the request in this context, which records it at the end with what ended it.

        Raises:
            ServingError: What the work raised. Any other fault is logged and becomes an InternalError.
        """
        try:
            yield
        except ServingError as error:
            self.fail(error)
            raise
        except WebSocketDisconnect:
            raise
        except Exception as error:  # else the audit would say 200 of what the client gets as 500
            fault = internal_error(error, self.request.request_id)
            self.fail(fault)
            raise fault from error
        finally:
            await self._record()

    def fail(self, error: ServingError) -> None:
        """Note what ended the request."""
        self.error, self.status = error, error.status

    async def _record(self) -> None:
        """Give the record to the metrics and the audit."""
        record = RequestRecord(
            request=self.request,
            route=self.route,
            caller=self.caller.name,
            format=self.form,
            started_at=self.started_at,
            started=self.started,
            sentences=tuple(self.sentences),
            finished=self.finished,
            status=self.status,
            error_type=self.error.type if self.error is not None else None,
            client_left=self.client_left,
            first_audio_seconds=self._first_audio,
            total_seconds=time.perf_counter() - self._begin,
            n_bytes=self._n_bytes,
        )
        self.service.metrics.record(record)
        await self.service.record(record)

    async def check_delivery(self) -> None:
        """Refuse to deliver more once consent or key has ended. What was spoken may still wait for a slow client.

        Raises:
            UnauthenticatedError: The key was revoked or has expired.
            RevokedError: The speaker revoked the consent, or the version was taken out of service.
            ConsentError: The consent has ended.
            VoiceDamagedError: The consent cannot be checked, because the journal is broken.
            UnknownVoiceError: The journal is gone.
        """
        assert self.started is not None
        now = time.perf_counter()
        self._next_check = now + CHECK_SECONDS
        self.caller.require_valid()
        try:
            await self.service.engine.check(self.request, candidate_id=self.started.candidate_id)
        except (RevokedError, ConsentError):
            raise
        except (VoiceDamagedError, UnknownVoiceError):  # a write may be in progress
            self._damaged_since = now if self._damaged_since is None else self._damaged_since
            if now - self._damaged_since >= DAMAGED_SECONDS:
                raise
        except ServingError:
            pass  # nothing new could be admitted now, but what was admitted goes on
        else:
            self._damaged_since = None

    def _note(self, event: Event) -> None:
        match event:
            case Started():
                self.started = event
            case AudioPiece():
                self._begins.setdefault(event.sentence, self._n_samples)
                self._n_samples += len(event.pcm) // 2
            case SentenceDone():
                self.sentences.append(event)
            case Finished():
                self.finished = event


async def read_ahead(events: AsyncGenerator[Event, None], max_bytes: int) -> AsyncGenerator[Event, None]:
    """Yield events that a task fetches as they come, so that a slow client does not keep a worker.

    An error of the engine comes at once. What was held is dropped then, because a revocation forbids to deliver it.

    Args:
        events: Of the engine. It is closed at the end.
        max_bytes: Sound that is held. Beyond it nothing is fetched until the client has taken some.
    """
    held: deque[Event] = deque()
    changed = asyncio.Event()
    size, done = 0, False

    async def fetch() -> None:
        nonlocal size, done
        try:
            async with aclosing(events):
                async for event in events:
                    held.append(event)
                    size += _size(event)
                    changed.set()
                    while size > max_bytes:
                        changed.clear()
                        await changed.wait()
        finally:
            done = True
            changed.set()

    task = asyncio.create_task(fetch())
    try:
        while True:
            while held and not (task.done() and task.exception()):
                event = held.popleft()
                size -= _size(event)
                changed.set()
                yield event
            if done:
                break
            changed.clear()
            await changed.wait()
        await task  # raises what the engine raised
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def while_connected(work: Awaitable[None], receive: Receive) -> bool:
    """Do some work until the client goes away, and return whether it stayed. When it goes, the work is cancelled.

    Args:
        work: What is done, such as sending an answer.
        receive: Of the ASGI request, whose body was read.
    """

    async def leave() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    working, leaving = asyncio.ensure_future(work), asyncio.create_task(leave())
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
            return True
        return False
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def encoded(utterance: Utterance, encoder: Encoder, pcm: bytes | None) -> bytes:
    """Return what an encoder makes of samples, or of the end of them, in a thread.

    Args:
        utterance: Whose sound it is.
        encoder: Takes the samples.
        pcm: int16 samples, None for the end.
    """
    loop, threads = asyncio.get_running_loop(), utterance.service.encoders
    with span("encode", utterance.request.traceparent):
        if pcm is None:
            return await loop.run_in_executor(threads, encoder.finish)
        return await loop.run_in_executor(threads, encoder.push, pcm)


def _size(event: Event) -> int:
    return len(event.pcm) if isinstance(event, AudioPiece) else 0

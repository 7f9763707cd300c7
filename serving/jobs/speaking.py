"""Speak one item of a job into the store of results, in memory that does not grow with its length."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from io import RawIOBase
from pathlib import Path
from typing import Any, Protocol

from serving.encoding import Format, encode_file
from serving.errors import ServingError
from serving.jobs.records import Result
from serving.jobs.results import ResultStore
from serving.messages import AudioPiece, Event, Finished, Health, SentenceDone, SpeechRequest, Started
from serving.storage.scratch import full_disk_explained
from serving.tracing.spans import span

BLOCK_BYTES = 1 << 18  # of samples that are written at once: 4 s at 32 kHz


class JobEngine(Protocol):
    """The side of serving/engine that jobs call."""

    def speak(self, request: SpeechRequest) -> AsyncGenerator[Event, None]:
        """Yield the events of a request. Closing the generator cancels the request."""
        ...

    async def check(self, request: SpeechRequest, *, candidate_id: str | None = None) -> None:
        """Raise the ServingError that a request would get now, or that a candidate was taken out of service."""
        ...

    def health(self) -> Health:
        """Return the state of the engine."""
        ...


class AttemptEndedError(ServingError):
    """The job was cancelled, or another attempt has taken it over."""

    def __init__(self) -> None:
        super().__init__("this attempt is not the newest any more")


@dataclass(kw_only=True)
class Speech:
    """What has happened to an item so far.

    Attributes:
        started: The first event.
        sentences: Those that are done.
        finished: The last event.
        result: The file, once it is kept.
        begins: First sample of each sentence.
        n_samples: Samples so far.
    """

    started: Started | None = None
    sentences: list[SentenceDone]
    finished: Finished | None = None
    result: Result | None = None
    begins: dict[int, int] = field(default_factory=dict)
    n_samples: int = 0


async def speak_item(
    engine: JobEngine,
    request: SpeechRequest,
    speech: Speech,
    *,
    form: Format,
    rate: int | None,
    results: ResultStore,
    watch: Callable[[Speech], Awaitable[None]],
    note: Callable[[str], Awaitable[None]],
    record: Callable[[Result], Awaitable[None]],
    mark: Callable[[Path, Started], None] | None = None,
) -> Result:
    """Speak a text, encode it, keep the file and record it.

    Args:
        engine: Speaks.
        request: The text, in the batch lane.
        speech: Is filled while the engine speaks.
        form: Format of the file.
        rate: Samples per second of the file, None for the default of the format.
        results: Where the file is kept.
        watch: Called when the engine has begun and after each sentence. It raises AttemptEndedError to stop.
        note: Notes the sha256 of the file before it is kept. It raises AttemptEndedError too.
        record: Writes the row that names the file. It raises AttemptEndedError too.
        mark: Marks the file as made by an AI. None where nothing is marked.

    Raises:
        ServingError: It could not be spoken or kept.
        AttemptEndedError: `watch`, `note` or `record` said so.
    """
    with results.new_file() as samples, results.new_file() as encoded:
        await write_samples(engine, request, speech, samples, watch)
        assert speech.started is not None and speech.finished is not None
        source_rate = speech.started.sample_rate
        with span("encode", request.traceparent):
            await asyncio.to_thread(_encode, samples, encoded, form, source_rate, rate)
        if mark is not None:
            await asyncio.to_thread(_mark, mark, encoded, speech.started)
        sha256 = await asyncio.to_thread(results.hash, encoded)
        await note(sha256)
        n_bytes = await asyncio.to_thread(results.put, encoded, sha256, form)
        result = Result(
            sha256=sha256,
            n_bytes=n_bytes,
            seconds_of_audio=speech.finished.seconds_of_audio,
            sentences=tuple(_describe(done, speech) for done in speech.sentences),
        )
        await record(result)
    speech.result = result
    return result


def _describe(done: SentenceDone, speech: Speech) -> dict[str, Any]:
    """Return what is kept of a sentence. Its words have their times in the whole sound."""
    assert speech.started is not None
    told: dict[str, Any] = {"text_sha256": done.text_sha256, "outcome": done.outcome, "n_retries": done.n_retries}
    if done.words is not None:
        begin = speech.begins.get(done.sentence, 0) / speech.started.sample_rate
        told["words"] = [word.later(begin) for word in done.words]
    return told


async def write_samples(
    engine: JobEngine,
    request: SpeechRequest,
    speech: Speech,
    samples: Path,
    watch: Callable[[Speech], Awaitable[None]],
) -> None:
    """Write the samples of a text into a file.

    Args:
        engine: Speaks.
        request: The text, in the batch lane.
        speech: Is filled while the engine speaks.
        samples: The file. It gets int16 samples.
        watch: Called when the engine has begun and after each sentence. It raises AttemptEndedError to stop.

    Raises:
        ServingError: It could not be spoken or kept.
        AttemptEndedError: `watch` said so.
    """
    waiting = bytearray()
    with samples.open("wb", buffering=0) as file:

        async def flush() -> None:
            block = bytes(waiting)
            waiting.clear()
            with full_disk_explained():
                await asyncio.to_thread(write_all, file, block)

        async with aclosing(engine.speak(request)) as events:
            async for event in events:
                match event:
                    case Started():
                        speech.started = event
                        await watch(speech)
                    case AudioPiece():
                        speech.begins.setdefault(event.sentence, speech.n_samples)
                        speech.n_samples += len(event.pcm) // 2
                        waiting += event.pcm
                        if len(waiting) >= BLOCK_BYTES:
                            await flush()
                    case SentenceDone():
                        speech.sentences.append(event)
                        await watch(speech)
                    case Finished():
                        speech.finished = event
        await flush()


def write_all(file: RawIOBase, block: bytes) -> None:
    """Write all of a block. A disk that becomes full within it takes a part of it first, and fails at the rest."""
    rest = memoryview(block)
    while rest:
        rest = rest[file.write(rest) :]


def _encode(samples: Path, encoded: Path, form: Format, source_rate: int, rate: int | None) -> None:
    with full_disk_explained(), samples.open("rb") as source, encoded.open("w+b") as target:
        encode_file(form, source, target, source_rate, rate)


def _mark(mark: Callable[[Path, Started], None], encoded: Path, started: Started) -> None:
    with full_disk_explained():
        mark(encoded, started)

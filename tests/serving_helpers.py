"""A service over a tiny real voice, in this process: what the tests of serving/api talk to."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import numpy as np
from ruamel.yaml import YAML
from synthesis_tiny import tiny_synthesizer

from gpt_sovits.synthesis.streaming import stream, stream_sentences
from gpt_sovits.synthesis.synthesizer import Synthesizer
from serving.api.app import make_app, make_service
from serving.api.server import DrainingServer
from serving.api.service import Service
from serving.errors import (
    KeyScopeError,
    LaneNotServedError,
    RateLimitedError,
    ServingError,
    UnauthenticatedError,
    UnknownVoiceError,
    UnspeakableTextError,
)
from serving.messages import (
    AudioPiece,
    Event,
    Finished,
    Health,
    RequestRecord,
    SentenceDone,
    ServedVoice,
    SpeechRequest,
    Started,
    WorkerHealth,
)
from serving.settings import ServeSettings, parse_settings

ROOT = Path(__file__).resolve().parent.parent


class TestVoice(ServedVoice):
    """A served voice of which tests make others."""

    __test__ = False

    def but(self, **changes) -> ServedVoice:
        return replace(self, **changes)


ANNA = TestVoice(
    voice="anna",
    version=2,
    candidate_id="c2",
    is_champion=True,
    verdict_sha256="ab" * 32,
    verdict_outcome="pass",
    languages=("en",),
    purposes=("narration", "assistant"),
    valid_until=None,
    presets=("narration",),
    lanes=("realtime", "batch"),
    sample_rate=32_000,
)


def speak(service: Running, **changes) -> httpx.Response:
    """Send a request to POST /v1/audio/speech, as OpenAI's clients do."""
    body = {"model": "tts-1", "input": "The kettle is on the stove.", "voice": "anna"} | changes
    return httpx.post(f"{service.address}/v1/audio/speech", json=body, timeout=30)


def make_settings(**limits: float) -> ServeSettings:
    """The section as committed, on a free port, with other limits."""
    raw = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))["serve"]
    return parse_settings(raw | {"port": 0, "limits": raw["limits"] | limits})


@dataclass
class ThreadEngine:
    """The contract of serving/engine over one synthesizer in a thread.

    `fail_after` raises an error after so many pieces. `delay` is waited before each piece. `repeat` sends each piece so
    many times, for long sounds without work. `refusal` is what `check` raises.
    """

    synthesizer: Synthesizer = field(default_factory=tiny_synthesizer)
    served: tuple[ServedVoice, ...] = (ANNA,)
    ready: bool = True
    error: Exception | None = None
    refusal: Exception | None = None
    fail_after: int = 0
    delay: float = 0.0
    repeat: int = 1
    n_pieces: int = 0
    n_cancelled: int = 0
    thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))

    def voices(self) -> tuple[ServedVoice, ...]:
        return self.served

    def health(self) -> Health:
        worker = WorkerHealth(name="cpu-0", state="ready", n_running=0, resident_bytes=10**8, n_restarts=0)
        reasons = () if self.ready else ("no worker is warm",)
        return Health(
            ready=self.ready, reasons=reasons, workers=(worker,), backlog_seconds=1.5, registry_reachable=True
        )

    async def check(self, request: SpeechRequest, *, candidate_id: str | None = None) -> None:
        if self.refusal is not None:
            raise self.refusal
        if request.lane == "realtime" and request.preset != "narration":
            raise LaneNotServedError(f"{request.preset} was not judged in real time", param="lane")

    async def price(self, request: SpeechRequest) -> float:
        return self.synthesizer.reader.expected_seconds(request.text)

    async def speak(self, request: SpeechRequest) -> AsyncGenerator[Event, None]:
        served = next((one for one in self.served if one.voice == request.voice), None)
        if served is None:
            raise UnknownVoiceError(f"there is no voice {request.voice}", param="voice")
        if request.lane == "realtime":
            await self.check(request)
        if request.lane not in served.lanes:
            raise LaneNotServedError(f"{request.voice} was not judged in {request.lane}", param="lane")
        if self.error is not None and not self.fail_after:
            raise self.error
        loop = asyncio.get_running_loop()
        speaker = stream if request.lane == "realtime" else stream_sentences
        try:
            sentences = self.synthesizer.sentences(request.text, request.seed, request.language)
        except ValueError as error:
            raise UnspeakableTextError(str(error), param="input") from error
        yield Started(
            version=served.version,
            candidate_id=served.candidate_id,
            preset=request.preset,
            sample_rate=self.synthesizer.sample_rate,
            n_sentences=len(sentences),
            expected_seconds=await self.price(request),
            pause_seconds=self.synthesizer.preset.pause_seconds,
            is_lane_judged=request.lane != "realtime" or served.has_judged_lane,
        )
        timed = {"with_words": True} if request.word_times and speaker is stream else {}
        chunks = speaker(self.synthesizer, request.text, request.seed, language=request.language, **timed)
        n_samples = 0
        try:
            while (chunk := await loop.run_in_executor(self.thread, next, chunks, None)) is not None:
                pcm = (np.clip(chunk.waveform, -1, 1) * 32767).astype("<i2").tobytes()
                for _ in range(self.repeat):
                    await asyncio.sleep(self.delay)
                    self.n_pieces += 1
                    n_samples += len(pcm) // 2
                    yield AudioPiece(pcm, chunk.sentence)
                    if self.error is not None and self.n_pieces >= self.fail_after:
                        raise self.error
                if chunk.report is not None:
                    yield SentenceDone(
                        sentence=chunk.sentence,
                        text_sha256=hashlib.sha256(chunk.report.text.encode()).hexdigest(),
                        outcome=chunk.report.outcome,
                        n_retries=chunk.report.n_retries,
                        n_samples=chunk.report.n_samples,
                        words=chunk.report.words,
                    )
        except (GeneratorExit, asyncio.CancelledError):
            self.n_cancelled += 1
            raise
        finally:
            with suppress(ServingError):
                await loop.run_in_executor(self.thread, chunks.close)
        yield Finished(n_samples / self.synthesizer.sample_rate, {"queue": 0.0, "text": 0.0, "gpt": 0.1, "sovits": 0.1})


@dataclass
class Running:
    """A service that listens.

    Attributes:
        address: Such as http://127.0.0.1:1234.
        records: What the audit got.
    """

    address: str
    engine: ThreadEngine
    service: Service
    server: DrainingServer
    records: list[RequestRecord]
    thread: threading.Thread

    @property
    def web_socket(self) -> str:
        return self.address.replace("http", "ws") + "/v1/audio/speech/stream"

    def record_of(self, request_id: str) -> RequestRecord:
        """Return the record of a request, which is made after the client has got the last byte."""
        for _ in range(500):
            found = [one for one in self.records if one.request.request_id == request_id]
            if found:
                assert len(found) == 1
                return found[0]
            time.sleep(0.01)
        raise AssertionError(f"no record of {request_id}")

    def stop(self) -> None:
        self.server._loop.call_soon_threadsafe(self.server.drain)
        self.thread.join(30)
        assert not self.thread.is_alive()


@contextmanager
def running(
    engine: ThreadEngine | None = None, settings: ServeSettings | None = None, routers=(), **more
) -> Iterator[Running]:
    """Serve with uvicorn in a thread of its own, over real sockets."""
    engine, settings, records = engine or ThreadEngine(), settings or make_settings(), []
    getattr(engine, "_engine", engine).synthesizer.say(
        "Yes."
    )  # compiles the decoder's kernel, as a worker does before it is ready

    async def record(one: RequestRecord) -> None:
        records.append(one)

    service = make_service(engine, settings, recorders=(record,), **more)
    server = DrainingServer(make_app(service, routers=routers), service, settings=settings)
    listening, address = server.bind()
    ready = threading.Event()

    def serve() -> None:
        async def main() -> None:
            task = asyncio.create_task(server.run_until_drained(listening))
            while not server.started and not task.done():
                await asyncio.sleep(0.005)
            ready.set()
            await task

        asyncio.run(main())

    thread = threading.Thread(target=serve)
    thread.start()
    ready.wait(10)
    one = Running(address, engine, service, server, records, thread)
    try:
        yield one
    finally:
        if thread.is_alive():
            one.stop()


class KeyOf:
    """A caller with one voice and one lane."""

    name = "shop"

    def require(self, *, voice, lane, purpose):
        if (voice, lane) != ("anna", "realtime"):
            raise KeyScopeError("the key is for anna in realtime", param="voice")

    def require_valid(self):
        pass

    def sees(self, voice):
        return voice == "anna"


async def one_key(authorization):
    if authorization == "Bearer busy":
        raise RateLimitedError("10 requests in a minute", retry_after=7)
    if authorization != "Bearer right":
        raise UnauthenticatedError("the key is not known")
    return KeyOf()

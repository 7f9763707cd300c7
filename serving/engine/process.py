"""One worker as the API sees it: a process, what it has loaded, and what it speaks."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from serving.caches.layers import SETTING, CachePlace
from serving.engine.frames import BrokenFrameError, Header, pack, read_frame
from serving.engine.running import Running, WorkerLost
from serving.environment import without_secrets
from serving.errors import ServingError
from serving.messages import Lane, WorkerHealth, WorkerState

LOG = logging.getLogger(__name__)
SEND_BUFFER = 4_000_000  # bytes: a pause of the API does not stop a worker at once
STOP_SECONDS = 2.0
# Convolutions that oneDNN keeps compiled, one per length of a sentence. With its default of 1024, a worker grew 150 MB
# over its first 1000 requests. With few it computes about 5 % longer
KEPT_PRIMITIVES = "128"
FIRST_RATE = 2.0  # seconds of speech per second, until the first sentence was measured
RATE_WEIGHT = 0.2  # of the newest request in the running mean


class LoadRefusedError(ServingError):
    """A worker could not load a pair. The message says why."""


@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """How a worker is started.

    Attributes:
        device: As torch names it.
        precision: How the weights are stored.
        batch_size: Sentences of a batch.
        n_threads: Threads of torch.
        unread_bytes: Sound that may wait for a client.
        folder: The project, in which the worker runs.
        cache: Where it keeps sentences, None for nowhere.
        cores: Cores that it keeps to. Empty: any.
    """

    device: str
    precision: str
    batch_size: int
    n_threads: int
    unread_bytes: int
    folder: Path
    cache: CachePlace | None = None
    cores: tuple[int, ...] = ()

    def command(self, connection: int) -> list[str]:
        """Return the command line. -P keeps the project's folder out of the places that code is imported from."""
        options = {
            "connection": connection,
            "device": "cuda" if self.device.startswith("cuda") else self.device,
            "precision": self.precision,
            "batch-size": self.batch_size,
            "threads": self.n_threads,
            "unread-bytes": self.unread_bytes,
            "cache": json.dumps(self.cache.fields()) if self.cache else "",
        }
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        cores = ["--cores", *map(str, self.cores)] if self.cores else []
        return [sys.executable, "-P", "-m", "serving.engine.worker", *words, *cores]

    def environment(self) -> dict[str, str]:
        """Return the environment, without passwords except that of the cache.

        Threads that wait must sleep, because others speak meanwhile.
        """
        threads = str(self.n_threads)
        changed = {
            "OMP_NUM_THREADS": threads,
            "NUMBA_NUM_THREADS": threads,
            "OMP_WAIT_POLICY": "PASSIVE",
            "ONEDNN_PRIMITIVE_CACHE_CAPACITY": KEPT_PRIMITIVES,
        }
        if self.device.startswith("cuda:"):
            changed["CUDA_VISIBLE_DEVICES"] = self.device.removeprefix("cuda:")
        return {**without_secrets(SETTING), **changed}


class WorkerProcess:
    """A worker process.

    Invariant: `ended` is set once its process is gone, and every request of it was told so before.
    """

    def __init__(self, name: str, options: WorkerOptions) -> None:
        """Name a worker that `start` will start."""
        self.name, self.options = name, options
        self.state: WorkerState = "starting"
        self.loaded: set[str] = set()
        self.resident_bytes, self.pid, self.n_frames = 0, 0, 0
        self.ended = asyncio.Event()
        self._numbers = itertools.count(1)
        self._running: dict[int, Running] = {}
        self._loads: dict[str, asyncio.Future[Header]] = {}
        self._rates: dict[str, float] = {}
        self._started: asyncio.Future[None] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the process, and return once it reads frames.

        Raises:
            WorkerLost: It died before.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
            self._process = await asyncio.create_subprocess_exec(
                *self.options.command(theirs.fileno()),
                stdin=asyncio.subprocess.DEVNULL,
                cwd=self.options.folder,
                env=self.options.environment(),
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C in a terminal is for the API, which drains first
            )
        self.pid = self._process.pid
        reader, self._writer = await asyncio.open_connection(sock=ours)
        self._started = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._read(reader), name=f"frames of {self.name}")
        await self._started

    async def load(self, candidate: str, folder: Path, presets: Sequence[str]) -> int:
        """Load a pair and let it speak its first sentence. Return the samples per second of its speech.

        Args:
            candidate: Id of the pair.
            folder: The voice's folder, with its bytes checked.
            presets: Names of its presets.

        Raises:
            LoadRefusedError: It cannot be loaded.
            WorkerLost: The worker died meanwhile.
        """
        if self.ended.is_set():
            raise WorkerLost(self.name)
        answer: asyncio.Future[Header] = asyncio.get_running_loop().create_future()
        self._loads[candidate] = answer
        self._send({"kind": "load", "candidate": candidate, "folder": str(folder), "presets": list(presets)})
        try:
            header = await answer
        finally:
            self._loads.pop(candidate, None)
        if header["kind"] == "refused":
            raise LoadRefusedError(header["message"])
        self.loaded.add(candidate)
        for lane, rate in header["rates"].items():
            self._rates.setdefault(lane, rate)
        return header["sample_rate"]

    def unload(self, candidate: str) -> None:
        """Forget a pair. Requests that speak with it end with it."""
        self.loaded.discard(candidate)
        self._send({"kind": "unload", "candidate": candidate})

    def speak(self, running: Running) -> int:
        """Begin a request, and return its number."""
        number = next(self._numbers)
        self._running[number] = running
        self._send({**running.begin(), "id": number})
        return number

    def tell_taken(self, number: int, n_bytes: int) -> None:
        """Say how much sound of a request the client has taken in all."""
        if number in self._running:
            self._send({"kind": "taken", "id": number, "bytes": n_bytes})

    def cancel(self, number: int) -> None:
        """End a request that is not finished."""
        if self._running.pop(number, None) is not None:
            self._send({"kind": "cancel", "id": number})

    def streams(self) -> Iterator[Running]:
        """Yield the requests that are spoken in real time."""
        return (running for running in self._running.values() if running.is_stream)

    @property
    def n_streams(self) -> int:
        """Return how many requests are spoken in real time."""
        return sum(1 for _ in self.streams())

    def n_running(self, lane: Lane) -> int:
        """Return how many requests of a lane it has."""
        return sum(running.is_stream == (lane == "realtime") for running in self._running.values())

    def backlog_seconds(self, lane: Lane | None = None) -> float:
        """Return the seconds of speech that a lane has still to make. None: both."""
        wanted = [r for r in self._running.values() if lane is None or r.is_stream == (lane == "realtime")]
        return sum(running.seconds_left for running in wanted)

    def batch_seconds(self) -> list[float]:
        """Return the seconds of speech that each request of the batch lane has still to make."""
        return [running.seconds_left for running in self._running.values() if not running.is_stream]

    def stream_ends(self) -> list[float]:
        """Return in how many seconds each stream is made, soonest first, if they end as they were priced.

        The one whose listener runs dry first goes first, so until one ends, others are made up to its last sample.
        """
        streams = list(self.streams())
        lasts = sorted(one.dry_at + one.seconds_left for one in streams)
        made = (sum(min(max(0.0, last - one.dry_at), one.seconds_left) for one in streams) for last in lasts)
        return [seconds / self.rate("realtime") for seconds in made]

    def rate(self, lane: Lane) -> float:
        """Return the seconds of speech that it makes per second of work, as measured."""
        return self._rates.get(lane, FIRST_RATE)

    def health(self, n_restarts: int) -> WorkerHealth:
        """Return how it is."""
        return WorkerHealth(
            name=self.name,
            state=self.state,
            n_running=len(self._running),
            resident_bytes=self.resident_bytes,
            n_restarts=n_restarts,
        )

    @property
    def is_idle(self) -> bool:
        """Return whether it speaks nothing."""
        return not self._running

    async def stop(self) -> None:
        """End the process, by force if it does not end by itself."""
        if self._process is None or self._task is None:
            return
        self._send({"kind": "stop"})
        try:
            await asyncio.wait_for(self.ended.wait(), STOP_SECONDS)
        except TimeoutError:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self.ended.wait()

    def _send(self, header: Header) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(pack(header))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        assert self._process is not None
        try:
            while (frame := await read_frame(reader)) is not None:
                self._take(*frame)
        except BrokenFrameError as error:
            LOG.error("%s sent %s, so it is ended", self.name, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, its requests must not wait for ever
            LOG.error("%s sent what nobody expected (%s), so it is ended", self.name, type(error).__name__)
        try:
            await asyncio.wait_for(self._process.wait(), STOP_SECONDS)  # it has ended already, unless its frames broke
        except TimeoutError:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        self._end()

    def _take(self, header: Header, body: bytes) -> None:
        kind = header["kind"]
        self.n_frames += 1
        if kind == "status":
            self.resident_bytes = header["resident"]
        elif kind == "ready" and self._started is not None:
            self._started.set_result(None)
        elif kind in ("loaded", "refused"):
            answer = self._loads.get(header["candidate"])
            if answer is not None and not answer.done():
                answer.set_result(header)
        elif (running := self._running.get(header.get("id", 0))) is not None and running.take(header, body):
            del self._running[header["id"]]
            self._measure(header, "realtime" if running.is_stream else "batch")

    def _measure(self, header: Header, lane: Lane) -> None:
        if header["kind"] == "finished" and header["busy"] > 0 and header["audio"] > 0:
            rate = header["audio"] / header["busy"]
            self._rates[lane] = (1 - RATE_WEIGHT) * self._rates.get(lane, rate) + RATE_WEIGHT * rate

    def _end(self) -> None:
        self.state = "lost"
        self.loaded.clear()
        for running in self._running.values():
            running.fail(WorkerLost(self.name))
        self._running.clear()
        for answer in (*self._loads.values(), self._started):
            if answer is not None and not answer.done():
                answer.set_exception(WorkerLost(self.name))
        if self._writer is not None:
            self._writer.close()
        self.ended.set()

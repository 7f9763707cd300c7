"""The workers: started, started again when they die, and replaced when they have grown."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Set
from contextlib import suppress
from pathlib import Path

from serving.caches.layers import CachePlace
from serving.engine.process import WorkerOptions, WorkerProcess
from serving.engine.running import WorkerLost
from serving.messages import WorkerHealth
from serving.settings import ServeSettings

LOG = logging.getLogger(__name__)
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # before a worker that dies at once is started again, doubled each time
LONG_ENOUGH = 30.0  # a worker that lived so long may be started again at once
LOOK_SECONDS = 1.0
SILENT_LOOKS = 60  # a worker tells its memory every second. One that tells nothing for so many looks hangs
# While it starts, it tells nothing until torch is imported, nor while the first sentence compiles. A slow disk or a
# busy machine must not end it then, and nobody but its own slot waits for it
SILENT_LOOKS_AT_START = 300
MOST_SHARE = 1.5  # of the memory that a worker may have, beyond which it is replaced by one that lacks voices too


class Slot:
    """The place of one worker, whichever process fills it.

    Attributes:
        name: Stable name, such as cpu-0.
        worker: The process that takes requests, None while none does.
        retiring: Processes that take nothing new and end after what they speak.
        n_restarts: How often a process was replaced.
    """

    def __init__(self, name: str, options: WorkerOptions) -> None:
        """Begin empty."""
        self.name, self.options = name, options
        self.worker: WorkerProcess | None = None
        self.retiring: list[WorkerProcess] = []
        self.n_restarts = 0

    def health(self) -> WorkerHealth:
        """Return how its worker is."""
        if self.worker is not None:
            return self.worker.health(self.n_restarts)
        return WorkerHealth(name=self.name, state="starting", n_running=0, resident_bytes=0, n_restarts=self.n_restarts)


class WorkerPool:
    """All workers.

    Invariant: a worker takes requests only after `prepare` gave it every pair that is served.
    """

    def __init__(
        self, settings: ServeSettings, folder: Path, prepare: Callable[[WorkerProcess], Awaitable[None]]
    ) -> None:
        """Prepare one slot per device.

        Args:
            settings: Of the service.
            folder: The project.
            prepare: Loads the pairs that are served into a new worker.
        """
        engine = settings.engine
        self._most_bytes, self._prepare = engine.max_resident_megabytes * 1_000_000, prepare
        cores = _share_cores(settings)
        self.slots = [
            Slot(
                f"{device}-{number}" if device == "cpu" else device,
                WorkerOptions(
                    device=device,
                    precision=engine.precision,
                    batch_size=engine.batch_size,
                    n_threads=engine.n_threads,
                    unread_bytes=settings.limits.max_unread_bytes,
                    folder=folder,
                    cache=CachePlace.of(settings.cache, folder),
                    cores=cores[number],
                ),
            )
            for number, device in enumerate(engine.devices)
        ]
        self._keep_spares, self._spares = engine.keep_spares, dict[WorkerOptions, WorkerProcess]()
        self._tasks: list[asyncio.Task[None]] = []
        self._watches: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Condition()

    @property
    def ready(self) -> list[WorkerProcess]:
        """Return the workers that take requests."""
        return [slot.worker for slot in self.slots if slot.worker is not None and slot.worker.state == "ready"]

    def start(self) -> None:
        """Start the workers in the background."""
        self._tasks = [asyncio.create_task(self._keep(slot), name=f"keep {slot.name}") for slot in self.slots]
        if self._keep_spares:
            kinds = {slot.options for slot in self.slots}
            self._tasks += [asyncio.create_task(self._keep_spare(kind), name="keep spare worker") for kind in kinds]

    async def close(self) -> None:
        """End all workers."""
        tasks = [*self._tasks, *self._watches]
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
        every = [worker for slot in self.slots for worker in (slot.worker, *slot.retiring) if worker is not None]
        await asyncio.gather(*(worker.stop() for worker in (*every, *self._spares.values())))

    async def wait_for(self, candidate: str, seconds: float) -> None:
        """Wait until a worker has a pair, at most some seconds."""

        def has_it() -> bool:
            return any(candidate in worker.loaded for worker in self.ready)

        with suppress(TimeoutError):
            async with self._changed:
                await asyncio.wait_for(self._changed.wait_for(has_it), seconds)

    async def _keep(self, slot: Slot) -> None:
        pause = FIRST_PAUSE
        while True:
            began, replace_at = time.monotonic(), 0.0
            worker = await self._fill(slot)
            while worker is not None and not worker.ended.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(worker.ended.wait(), LOOK_SECONDS)
                await self._retire_idle(slot)
                is_time = time.monotonic() >= replace_at
                if worker.resident_bytes > self._most_bytes and is_time and not worker.ended.is_set():
                    replace_at = time.monotonic() + LONGEST_PAUSE
                    worker = await self._replace(slot, worker)
            LOG.warning("%s died, so it is started again", slot.name)
            slot.n_restarts += 1
            pause = FIRST_PAUSE if time.monotonic() - began > LONG_ENOUGH else min(2 * pause, LONGEST_PAUSE)
            await asyncio.sleep(pause / 2)

    def _watch(self, worker: WorkerProcess) -> None:
        """Watch a worker from before its start to its end."""
        watch = asyncio.create_task(_end_silent(worker), name=f"watch {worker.name}")
        self._watches.add(watch)
        watch.add_done_callback(self._watches.discard)

    async def _keep_spare(self, options: WorkerOptions) -> None:
        """Keep a process that has imported everything and loaded nothing, once all slots are filled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            spare = self._spares.get(options)
            if len(self.ready) < len(self.slots) or (spare is not None and not spare.ended.is_set()):
                continue
            spare = WorkerProcess("spare", options)
            self._watch(spare)
            try:
                await spare.start()
            except (WorkerLost, OSError) as error:
                LOG.warning("a spare worker could not be started: %s", error)
                await asyncio.sleep(LONGEST_PAUSE)
                continue
            except asyncio.CancelledError:
                await spare.stop()
                raise
            self._spares[options] = spare

    def _take_spare(self, slot: Slot) -> WorkerProcess | None:
        spare = self._spares.pop(slot.options, None)
        if spare is None or spare.ended.is_set():
            return None
        spare.name = slot.name
        return spare

    async def _fill(self, slot: Slot, *, needed: Set[str] = frozenset()) -> WorkerProcess | None:
        """Start a worker for a slot, and return it once it takes requests.

        Args:
            slot: The slot.
            needed: What it must have loaded.

        Returns:
            The worker. None: it died before, or lacks what is needed.
        """
        spare = self._take_spare(slot)
        worker = spare or WorkerProcess(slot.name, slot.options)
        if slot.worker is None or slot.worker.ended.is_set():
            slot.worker = worker
        try:
            if spare is None:
                self._watch(worker)
                await worker.start()
            await self._prepare(worker)
        except WorkerLost:
            return None
        except asyncio.CancelledError:
            await worker.stop()
            raise
        except Exception:  # whatever it is, the slot must not stay empty, and the process must not stay
            LOG.exception("%s cannot be started, which is tried again", slot.name)
            await worker.stop()
            return None
        if not needed <= worker.loaded:  # the registry is away
            LOG.warning("another %s could not load every voice, so the one before goes on", slot.name)
            await worker.stop()
        if worker.ended.is_set():
            return None
        slot.worker, worker.state = worker, "ready"
        async with self._changed:
            self._changed.notify_all()
        return worker

    async def _replace(self, slot: Slot, old: WorkerProcess) -> WorkerProcess:
        """Start a worker beside one that has grown, and let that one end after what it speaks."""
        LOG.warning("%s has %d MB, so it is replaced", slot.name, old.resident_bytes // 1_000_000)
        may_wait = old.resident_bytes < MOST_SHARE * self._most_bytes
        fresh = await self._fill(slot, needed=old.loaded if may_wait else frozenset())
        if fresh is None:
            return old
        slot.n_restarts += 1
        old.state = "recycling"
        slot.retiring.append(old)
        return fresh

    async def _retire_idle(self, slot: Slot) -> None:
        for worker in list(slot.retiring):
            if worker.is_idle or worker.ended.is_set():
                slot.retiring.remove(worker)
                await worker.stop()


async def _end_silent(worker: WorkerProcess) -> None:
    """End a worker once it hangs, and return when it has ended. What waits for it gets WorkerLost."""
    n_frames, n_silent = worker.n_frames, 0
    while not worker.ended.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(worker.ended.wait(), LOOK_SECONDS)
        n_silent = n_silent + 1 if worker.n_frames == n_frames else 0
        n_frames = worker.n_frames
        most = SILENT_LOOKS_AT_START if worker.state == "starting" else SILENT_LOOKS
        if n_silent >= most and not worker.ended.is_set():
            LOG.error("%s hangs, so it is ended", worker.name)
            await worker.stop()


def _share_cores(settings: ServeSettings) -> list[tuple[int, ...]]:
    """Return the cores of each device, none where they are not pinned or there are too few."""
    engine = settings.engine
    available = sorted(os.sched_getaffinity(0))
    n_cpu = engine.devices.count("cpu")
    if not engine.pin_cores or n_cpu * engine.n_threads > len(available):
        return [() for _ in engine.devices]
    shares, start = [], 0
    for device in engine.devices:
        n = engine.n_threads if device == "cpu" else 0
        shares.append(tuple(available[start : start + n]))
        start += n
    return shares

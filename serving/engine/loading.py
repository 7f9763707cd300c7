"""Which pairs the workers hold: the champion of each voice, the one before it, and former versions that were asked for.

A pair is loaded beside those that speak. Only when every ready worker has it does it go into service, at once and as a
whole. A pair that cannot be loaded changes nothing: the one before goes on, and the failure is counted and shown.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError

from registry.errors import RegistryError
from registry.releases.state import Release
from registry.storage.store import Store
from serving.engine.pool import WorkerPool
from serving.engine.process import LoadRefusedError, WorkerProcess
from serving.engine.running import WorkerLost
from serving.errors import NotReadyError, RegistryUnreachableError, ServingError, VoiceDamagedError
from serving.releases.pairs import Pair, PairRefusedError, find_pair, is_unchanged
from serving.releases.snapshots import RegistryAwayError
from serving.releases.table import LivePair, ReleaseTable

T = TypeVar("T")
LOG = logging.getLogger(__name__)
RETRY_SECONDS = 30.0  # after a pair could not be loaded
LACK_SECONDS = 2.0  # between two tries to give a worker what it lacks


class Loader:
    """Keeps the workers' pairs as the table wants them.

    Invariant: one load at a time into the workers that are ready. A worker that starts loads beside that, until it has
    tried every pair that is in service by then, so one that starts slowly or hangs holds up nobody else.
    """

    def __init__(self, store: Store, table: ReleaseTable, *, max_former: int) -> None:
        """Prepare.

        Args:
            store: Where the files are.
            table: What is served.
            max_former: Former versions that are kept besides the champion and the one before it.
        """
        self._store, self._table, self._max_former = store, table, max_former
        self._lock = asyncio.Lock()
        self._wanted = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="check-pair")
        self._task: asyncio.Task[None] | None = None
        self._retry_at: dict[str, float] = {}
        self._used: dict[str, float] = {}
        self._tried: set[str] = set()
        self.pool: WorkerPool | None = None
        self.faults: dict[str, str] = {}  # by candidate id, why it could not be loaded
        self.n_failed = 0

    def start(self, pool: WorkerPool) -> None:
        """Begin to load in the background."""
        self.pool = pool
        self._task = asyncio.create_task(self._run(), name="load pairs")
        self.wake()

    async def close(self) -> None:
        """Stop loading."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])  # which does not raise what may have ended it
        self._thread.shutdown(wait=False, cancel_futures=True)

    @property
    def is_running(self) -> bool:
        """Return whether new releases are loaded. A fault that nobody expected ends it."""
        return self._task is not None and not self._task.done()

    @property
    def lacks_champions(self) -> bool:
        """Return whether the first try to load a champion is still to come, or runs."""
        wanted = {
            snapshot.champion.candidate_id
            for snapshot in self._table.snapshots.values()
            if snapshot.champion is not None and not (snapshot.is_revoked or snapshot.fault or snapshot.reasons)
        }
        return bool(wanted - self._table.loaded.keys() - self._tried)

    def wake(self) -> None:
        """Look again at what is wanted."""
        self._wanted.set()

    async def prepare(self, worker: WorkerProcess) -> None:
        """Load every pair that is in service into a new worker, its files checked again.

        The worker must take requests before others have a turn, lest a pair goes into service that it lacks.

        Raises:
            WorkerLost: The worker died meanwhile.
        """
        tried: set[str] = set()
        while True:
            async with self._lock:  # what is being loaded into the others goes into service first
                due = [live for candidate_id, live in self._table.loaded.items() if candidate_id not in tried]
                if not due:
                    for candidate_id in worker.loaded - self._table.loaded.keys():  # withdrawn meanwhile
                        worker.unload(candidate_id)
                    break
            tried.update(live.pair.candidate_id for live in due)
            await self._complete(worker, due)
        self.wake()

    async def ensure(self, voice: str, candidate_id: str) -> LivePair:
        """Return a pair that the workers have loaded, and load a former version that is asked for.

        Args:
            voice: Name of the voice.
            candidate_id: Of a version that was champion.

        Raises:
            ServingError: It cannot be loaded.
        """
        self._used[candidate_id] = time.monotonic()
        live = self._table.loaded.get(candidate_id)
        if live is not None:
            return live
        release = next((r for r in self._table.snapshots[voice].past if r.candidate_id == candidate_id), None)
        if release is None:
            raise NotReadyError(f"a version of {voice} is not loaded", retry_after=1)
        # In a task of its own: if a client that leaves ended it, workers would keep a pair that nobody knows of
        await asyncio.shield(asyncio.create_task(self._load_former(voice, release)))
        live = self._table.loaded.get(candidate_id)
        if live is None:
            raise self._error(voice, candidate_id)
        return live

    async def _load_former(self, voice: str, release: Release) -> None:
        async with self._lock:
            if release.candidate_id not in self._table.loaded:
                if self._retry_at.get(release.candidate_id, 0.0) <= time.monotonic():
                    await self._load(voice, release)
                self._drop_former()

    def _error(self, voice: str, candidate_id: str) -> Exception:
        """Return what a client is told about a version that is not loaded. The reason in full is for operators."""
        if candidate_id in self.faults:
            return VoiceDamagedError(f"this version of {voice} could not be loaded, so it does not speak")
        if self.pool is None or not self.pool.ready:
            return NotReadyError("no engine is warm yet", retry_after=5)
        return RegistryUnreachableError(f"the files of this version of {voice} cannot be read now", retry_after=5)

    async def _run(self) -> None:
        while True:
            seconds = (
                LACK_SECONDS if self.pool and any(self.lacking(each) for each in self.pool.ready) else RETRY_SECONDS
            )
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), seconds)
            self._wanted.clear()
            try:
                await self._load_missing()
                await self._complete_workers()
            except (RegistryError, ServingError, SQLAlchemyError, OSError) as error:
                LOG.error("what is served could not be loaded, which is tried again: %s", type(error).__name__)

    async def _load_missing(self) -> None:
        self._drop_withdrawn()
        for voice, release in self._missing():
            async with self._lock:
                if release.candidate_id not in self._table.loaded:
                    await self._load(voice, release)
                    if self.pool and self.pool.ready:
                        self._tried.add(release.candidate_id)
        self._drop_former()

    def _missing(self) -> Iterator[tuple[str, Release]]:
        """Yield what should be loaded: all champions first, then those before them."""
        snapshots = [s for s in self._table.snapshots.values() if not (s.is_revoked or s.fault or s.reasons)]
        for release_of in (lambda s: s.champion, lambda s: s.previous):
            for snapshot in snapshots:
                release = release_of(snapshot)
                if release is None or release.candidate_id in self._table.loaded:
                    continue
                if self._retry_at.get(release.candidate_id, 0.0) <= time.monotonic():
                    yield snapshot.voice, release

    async def _load(self, voice: str, release: Release) -> None:
        """Load a pair into every ready worker, then take it into service."""
        workers = self.pool.ready if self.pool else []
        if not workers:
            return
        try:
            pair = await self._find(voice, release)
        except RegistryAwayError as error:
            LOG.warning("version %d of %s cannot be read: %s", release.version, voice, error)
            return
        except PairRefusedError as error:
            self._note_failure(voice, release.candidate_id, error)
            return
        loads = (worker.load(pair.candidate_id, pair.folder, [*pair.presets]) for worker in workers)
        results = await asyncio.gather(*loads, return_exceptions=True)
        rates = [result for result in results if isinstance(result, int)]
        refused = [result for result in results if isinstance(result, LoadRefusedError)]
        if refused or not rates:  # a worker that died gets it when it starts again, unless all died of it
            for worker in workers:
                worker.unload(pair.candidate_id)
            self._note_failure(voice, pair.candidate_id, (*refused, LoadRefusedError("the workers died of it"))[0])
            return
        self.faults.pop(pair.candidate_id, None)
        self._table.add_loaded(LivePair(pair=pair, sample_rate=rates[0]))
        LOG.info("version %d of %s is loaded", pair.version, voice)

    def lacking(self, worker: WorkerProcess) -> list[LivePair]:
        """Return what is in service and not in a worker, because it could not be read when the worker started."""
        return [live for candidate_id, live in self._table.loaded.items() if candidate_id not in worker.loaded]

    async def _complete_workers(self) -> None:
        """Give the workers what they lack. Whatever is refused is tried again later."""
        for worker in self.pool.ready if self.pool else []:
            async with self._lock:
                now = time.monotonic()
                due = [one for one in self.lacking(worker) if self._retry_at.get(one.pair.candidate_id, 0.0) <= now]
                with suppress(WorkerLost):  # another one is started in its place
                    await self._complete(worker, due)

    async def _complete(self, worker: WorkerProcess, lives: Iterable[LivePair]) -> None:
        """Load pairs that are in service into a worker, their files checked again.

        The registry is asked only for files that are not here any more, so a worker can start while it is away.

        Raises:
            WorkerLost: The worker died meanwhile.
        """
        for live in lives:
            pair = live.pair
            try:
                if not await self._in_thread(is_unchanged, pair):
                    pair = await self._find(pair.voice, Release(pair.version, pair.candidate_id, 0))
                await worker.load(pair.candidate_id, pair.folder, [*pair.presets])
            except RegistryAwayError as error:
                LOG.warning("version %d of %s cannot be read for %s: %s", pair.version, pair.voice, worker.name, error)
            except (LoadRefusedError, PairRefusedError) as error:
                self._note_failure(pair.voice, pair.candidate_id, error)
            else:
                self.faults.pop(pair.candidate_id, None)

    async def _find(self, voice: str, release: Release) -> Pair:
        return await self._in_thread(find_pair, self._store, voice, release, self._table.today())

    async def _in_thread(self, call: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call, *arguments)

    def _note_failure(self, voice: str, candidate_id: str, error: Exception) -> None:
        self.n_failed += 1
        self.faults[candidate_id] = f"{voice}: a version could not be loaded: {error}"
        self._retry_at[candidate_id] = time.monotonic() + RETRY_SECONDS
        LOG.error("%s", self.faults[candidate_id])

    def _drop_withdrawn(self) -> None:
        """Unload what must not speak any more. Requests that speak with it are ended by their client."""
        for candidate_id, live in self._table.loaded.items():
            snapshot = self._table.snapshots.get(live.pair.voice)
            if snapshot is not None and snapshot.fault is None and not snapshot.includes(candidate_id):
                self._drop(candidate_id)

    def _drop_former(self) -> None:
        """Unload the former versions that were not asked for longest. A broken journal does not tell which they are."""
        keep = {
            release.candidate_id
            for snapshot in self._table.snapshots.values()
            for release in (snapshot.champion, snapshot.previous)
            if release is not None
        } | {live.pair.candidate_id for live in self._table.champions.values()}
        known = {snapshot.voice for snapshot in self._table.snapshots.values() if snapshot.fault is None}
        former = [key for key, live in self._table.loaded.items() if key not in keep and live.pair.voice in known]
        former.sort(key=lambda candidate_id: self._used.get(candidate_id, 0.0), reverse=True)
        for candidate_id in former[self._max_former :]:
            self._drop(candidate_id)

    def _drop(self, candidate_id: str) -> None:
        self._table.drop_loaded(candidate_id)
        for worker in self.pool.ready if self.pool else []:
            worker.unload(candidate_id)

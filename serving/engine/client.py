"""The engine as the API uses it. It runs on asyncio and imports no torch."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Self

from registry.storage.store import Store
from serving.engine.capacity import Waiting, choose_worker, least_seconds
from serving.engine.loading import Loader
from serving.engine.pool import WorkerPool
from serving.engine.pricing import Price, Pricing
from serving.engine.process import WorkerProcess
from serving.engine.running import Running, WorkerLost
from serving.errors import NotReadyError, ServingError, WorkerLostError
from serving.messages import AudioPiece, Event, Finished, Health, Lane, ServedVoice, SpeechRequest, Started
from serving.releases.follower import Follower
from serving.releases.table import Admission, ReleaseTable
from serving.settings import ServeSettings
from serving.tracing.spans import span

RETRY_WAIT_SECONDS = 60.0  # for a worker that is started again, which takes seconds


class EngineClient:
    """Speaks requests with the released voices of a store.

    Invariant: what is spoken was admitted under the newest consent that was read, and nothing is delivered after that
    consent has ended.
    """

    def __init__(self, settings: ServeSettings, store: Store) -> None:
        """Prepare. `async with` starts the workers and follows the releases.

        Args:
            settings: The section `serve`.
            store: Where journals and files are.
        """
        self._settings = settings
        self.table = ReleaseTable(allow_unjudged_lane=settings.allow_unjudged_lane)
        self._loader = Loader(store, self.table, max_former=settings.engine.max_former_versions)
        self._pool = WorkerPool(settings, store.root, self._loader.prepare)
        self._follower = Follower(
            store,
            self.table,
            voices=settings.voices,
            seconds=settings.engine.follow_seconds,
            on_change=self._releases_changed,
        )
        self._pricing = Pricing()
        self._running: set[Running] = set()
        self._was_ready = False
        self._waiting: dict[Lane, Waiting] = {"realtime": Waiting(), "batch": Waiting()}

    async def __aenter__(self) -> Self:
        self._pool.start()
        self._loader.start(self._pool)
        await self._follower.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._follower.close()
        await self._loader.close()
        await self._pool.close()
        self._pricing.close()

    async def speak(self, request: SpeechRequest) -> AsyncIterator[Event]:
        """Speak a request. Closing the iterator ends the work within a chunk.

        Args:
            request: What to say.

        Yields:
            The events of serving/messages.py, in their order.

        Raises:
            ServingError: It was not admitted, failed, or must not go on.
        """
        admission = await self._admit(request)
        # Under overload the refusal comes before the work of pricing, and those who are being priced count
        self._choose_worker(admission, least_seconds(request.text), waiting=self._waiting[request.lane])
        with span("price", request.traceparent):
            price = await self._priced(admission)
        running = Running(admission, price)
        worker, number = self._begin(running)
        self._running.add(running)
        try:
            yield Started(
                version=admission.live.pair.version,
                candidate_id=admission.live.pair.candidate_id,
                preset=request.preset,
                sample_rate=admission.live.sample_rate,
                n_sentences=price.n_sentences,
                expected_seconds=price.seconds,
                pause_seconds=admission.live.pair.presets[request.preset].pause_seconds,
                is_lane_judged=admission.is_lane_judged,
            )
            while True:
                try:
                    event = await running.events(self.table.check_delivery)
                except WorkerLost as lost:
                    worker, number = await self._begin_again(running, lost)
                    continue
                yield event
                if isinstance(event, AudioPiece):
                    running.taken_bytes += len(event.pcm)
                    worker.tell_taken(number, running.taken_bytes - running.bytes_of_earlier_tries)
                if isinstance(event, Finished):
                    return
        finally:
            worker.cancel(number)
            self._running.discard(running)

    async def price(self, request: SpeechRequest) -> float:
        """Return how long the speech of a request takes, in seconds, if it may be spoken.

        Raises:
            ServingError: It may not be spoken, or there is nothing to say.
        """
        return (await self._pricing.price(await self._admit(request))).seconds

    async def check(self, request: SpeechRequest, *, candidate_id: str | None = None) -> None:
        """Refuse what would not be admitted now, whatever its text is. Jobs ask before they are taken and delivered.

        Args:
            request: How a text is spoken.
            candidate_id: What has spoken it already, None where it was not spoken yet.

        Raises:
            ServingError: It may not be spoken, or the candidate was taken out of service.
        """
        if candidate_id is not None:
            self.table.check_spoken(request, candidate_id)
        else:
            await self._admit(request)

    def voices(self) -> tuple[ServedVoice, ...]:
        """Return what is served now: champions first, then loaded former versions."""
        return self.table.voices()

    def health(self) -> Health:
        """Return how the engine is."""
        ready, is_complete = self._pool.ready, not self._loader.lacks_champions
        is_reachable = self._follower.is_reachable
        reasons = [] if is_reachable else [f"the registry cannot be read: {self._follower.fault or 'it is slow'}"]
        reasons += [] if ready else ["no worker is warm yet"]
        reasons += [] if self.table.champions else ["no voice is served yet"]
        reasons += [] if self._loader.is_running else ["new releases are not loaded any more; start the service again"]
        reasons += [] if is_complete else ["not every voice is loaded yet"]
        reasons += [
            f"{worker.name} lacks a voice that is in service" for worker in ready if self._loader.lacking(worker)
        ]
        reasons += self._loader.faults.values()
        reasons += [f"{s.voice}: {s.fault}" for s in self.table.snapshots.values() if s.fault]
        return Health(
            ready=self._loader.is_running and self._is_ready(ready, is_complete=is_complete),
            reasons=tuple(reasons),
            workers=tuple(slot.health() for slot in self._pool.slots),
            backlog_seconds=sum(running.seconds_left for running in self._running),
            registry_reachable=is_reachable,
            n_failed_loads=self._loader.n_failed,
        )

    def _is_ready(self, workers: list[WorkerProcess], *, is_complete: bool) -> bool:
        """Return whether a worker is warm. At first every voice must be loaded, and later new ones come beside."""
        is_warm = any(self._is_warm(worker) for worker in workers)
        self._was_ready = self._was_ready or (is_warm and is_complete)
        return is_warm and self._was_ready

    def _is_warm(self, worker: WorkerProcess) -> bool:
        return any(live.pair.candidate_id in worker.loaded for live in self.table.champions.values())

    async def _admit(self, request: SpeechRequest) -> Admission:
        self.table.check_wanted(request)  # before a former version is loaded, which costs time and memory
        candidate_id = self.table.candidate_of(request.voice, request.version, candidate_id=request.candidate_id)
        return self.table.admit(request, await self._loader.ensure(request.voice, candidate_id))

    def _begin(self, running: Running) -> tuple[WorkerProcess, int]:
        """Give a request to a worker, and return the worker and the request's number there."""
        worker = self._choose_worker(running.admission, running.seconds_left, is_admitted=running.n_tries > 0)
        return worker, worker.speak(running)

    async def _priced(self, admission: Admission) -> Price:
        waiting, text, price = self._waiting[admission.request.lane], admission.request.text, None
        waiting.begin(text)
        try:
            price = await self._pricing.price(admission)
            return price
        finally:
            waiting.end(text, price.seconds if price else None)

    def _choose_worker(
        self, admission: Admission, seconds: float, *, waiting: Waiting | None = None, is_admitted: bool = False
    ) -> WorkerProcess:
        candidate_id = admission.live.pair.candidate_id
        return choose_worker(
            self._pool.ready,
            self._settings.engine,
            lane=admission.request.lane,
            candidate=candidate_id,
            seconds=seconds,
            damaged=candidate_id in self._loader.faults,
            waiting=waiting,
            is_admitted=is_admitted,
        )

    async def _begin_again(self, running: Running, lost: WorkerLost) -> tuple[WorkerProcess, int]:
        """Give a request whose worker died to another one, once."""
        if not running.can_be_retried:
            sent = "after it had begun to sound" if running.is_stream and running.received_bytes else "twice"
            raise WorkerLostError(f"the process that spoke died {sent}", retry_after=1) from lost
        candidate_id = running.admission.live.pair.candidate_id
        await self._pool.wait_for(candidate_id, RETRY_WAIT_SECONDS)
        self.table.check_delivery(running.admission)
        try:
            return self._begin(running)
        except NotReadyError as error:
            raise WorkerLostError("the process that spoke died, and no other is ready", retry_after=5) from error

    async def _releases_changed(self) -> None:
        """Load what is new, and end what may not go on, whether its client reads or not."""
        self._loader.wake()
        for running in self._running:
            try:
                self.table.check_delivery(running.admission)
            except ServingError as error:
                running.fail(error)

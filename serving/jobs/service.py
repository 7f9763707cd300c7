"""Jobs as the API calls them: submit, find, cancel, delete, and get the sound of an item."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from gpt_sovits.synthesis.words import Word, read_words
from serving.database import Database
from serving.errors import (
    ConflictError,
    DatabaseUnreachableError,
    GoneError,
    IdempotencyInProgressError,
    NotFoundError,
    StorageUnreachableError,
)
from serving.jobs import files, store
from serving.jobs.durable import DurableQueue, Work
from serving.jobs.records import OPEN_STATES, Item, Job, Submission, Wish
from serving.jobs.results import ResultStore
from serving.jobs.runner import JobRunner, Recorder
from serving.jobs.speaking import JobEngine
from serving.messages import SpeechRequest
from serving.provenance.facts import make_facts
from serving.provenance.marking import Marker
from serving.settings import ServeSettings
from serving.storage.keys import key_of
from serving.storage.objects import ObjectStore

T = TypeVar("T")
SWEEP_SECONDS = 600.0
START_AGAIN_SECONDS = 1.0
FAULT_SECONDS = 10.0
WARM_SECONDS = 60.0  # longest time that a new node leaves jobs to others because it is not warm
LOOK_SECONDS = 0.1
LOG = logging.getLogger(__name__)


class JobService:
    """Durable jobs. Consent, purpose and release are checked at the submission, at each claim, and before delivery."""

    def __init__(
        self,
        database: Database,
        objects: ObjectStore,
        engine: JobEngine,
        settings: ServeSettings,
        *,
        audit: Recorder | None = None,
        recorders: Sequence[Recorder] = (),
        others: Sequence[Work] = (),
        marker: Marker | None = None,
        takes_jobs: bool = True,
    ) -> None:
        """Prepare.

        Args:
            database: Of serving, migrated.
            objects: Where the speech is kept. Nodes that share the database share it too.
            engine: Speaks.
            settings: The section `serve`.
            audit: Gets a record of each try that failed. The row of one that did not is written with its result.
            recorders: Get a record of each try.
            others: Other kinds of work that this process does.
            marker: Marks the files. None where nothing is marked.
            takes_jobs: Whether this process speaks jobs. One that serves some voices only leaves them to others.
        """
        self.settings, self._marker = settings, marker
        self._database, self._engine, self._results = database, engine, ResultStore(objects)
        self.objects = objects
        self._runner = JobRunner(
            database,
            engine,
            self._results,
            max_attempts=settings.jobs.max_attempts,
            keep_text=settings.keep_text,
            audit=audit,
            recorders=recorders,
            marker=marker,
        )
        n_at_once = settings.jobs.n_at_once if takes_jobs else 0
        self.queue = DurableQueue(database, self._runner.run, n_at_once=n_at_once, others=others)
        self._submitting: set[tuple[str, str]] = set()
        self._task: asyncio.Task[None] | None = None
        self.is_started = False  # jobs can be submitted

    async def start(self) -> None:
        """Begin to run jobs, in the background where the database does not answer yet."""
        self._task = asyncio.create_task(self._start_and_sweep(), name="jobs")
        self._task.add_done_callback(_log_fault)

    async def close(self) -> None:
        """Stop. Jobs that run are taken up again by another node, or at the next start."""
        self.is_started = False
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])  # which does not raise what may have ended it
            await asyncio.to_thread(self.queue.close)

    async def submit(
        self,
        wish: Wish,
        texts: Sequence[str],
        *,
        owner: str,
        idempotency_key: str | None,
        traceparent: str | None,
    ) -> tuple[Job, bool]:
        """Make a job, or find the one that the same request made before. Return it and whether it is new.

        Args:
            wish: How it is to sound.
            texts: What to say, checked.
            owner: Name of the caller.
            idempotency_key: Of the request.
            traceparent: Trace context of the request.

        Raises:
            ServingError: It may not be spoken, or the key is in use.
        """
        content = json.dumps([asdict(wish), list(texts)], sort_keys=True, ensure_ascii=False)
        submission = Submission(
            id=f"job_{secrets.token_hex(16)}",
            owner=owner,
            wish=wish,
            texts=tuple(texts),
            idempotency_key=idempotency_key,
            fingerprint=hashlib.sha256(content.encode()).hexdigest(),
            traceparent=traceparent,
        )
        if idempotency_key is None:
            return await self._submit(submission)
        place = (owner, idempotency_key)
        if place in self._submitting:
            raise IdempotencyInProgressError("a request with this Idempotency-Key is being answered", retry_after=1)
        self._submitting.add(place)
        try:
            return await self._submit(submission)
        finally:
            self._submitting.discard(place)

    async def find(self, job_id: str, owner: str) -> Job:
        """Return a job of a caller.

        Raises:
            UnknownJobError: There is none that the caller may see.
            GoneError: It was deleted.
        """
        job = await self._call(store.find, job_id, owner)
        if job.state == "deleted":
            raise GoneError("the job was deleted, with its speech and its texts")
        return job

    async def cancel(self, job_id: str, owner: str) -> Job:
        """Cancel a job that has not ended. Return it as it is then: one that has ended stays as it is.

        Raises:
            UnknownJobError: There is none that the caller may see.
            GoneError: It was deleted before.
        """
        await self.find(job_id, owner)
        job = await self._call(store.cancel, job_id, owner, keep_text=self.settings.keep_text)
        await self._take_from_queue(job_id)
        return job

    async def delete(self, job_id: str, owner: str) -> Job:
        """Delete a job with its speech and its texts, also one that has not ended. Return it as it was left.

        Raises:
            UnknownJobError: There is none that the caller may see.
            GoneError: It was deleted before.
        """
        await self.find(job_id, owner)
        job = await self._call(store.delete, job_id, owner)
        await self._take_from_queue(job_id)
        await self._remove_files(job_id)
        return job

    async def _take_from_queue(self, job_id: str) -> None:
        """Tell the queue that a job has ended. Nothing is lost without it, as whoever takes the job sees that."""
        if self.is_started:
            with suppress(DatabaseUnreachableError):
                await asyncio.to_thread(self.queue.cancel, job_id)

    async def open_result(self, job_id: str, owner: str, item: int) -> tuple[Job, Item, str]:
        """Return a job, one of its items, and the key of the file with its speech, which may be delivered now.

        Raises:
            ServingError: There is none, it is not spoken yet, or it may not be delivered any more.
        """
        job = await self.find(job_id, owner)
        if not 0 <= item < len(job.items):
            raise NotFoundError(f"the job has the items 0 to {len(job.items) - 1}, and no {item}", param="item")
        found = job.items[item]
        if found.result is None:
            if job.state in OPEN_STATES:
                raise ConflictError(f"item {item} is not spoken yet; the job is {job.state}")
            raise GoneError(f"item {item} was not spoken, because the job is {job.state}")
        await self._engine.check(self._example(job.wish, job), candidate_id=job.candidate_id)
        return job, found, key_of(found.result.sha256)

    async def words_of(self, job_id: str, owner: str, item: int) -> tuple[Job, list[tuple[Word, ...]]]:
        """Return a job and the words of each sentence of an item, with their times in its sound.

        Raises:
            ServingError: There are none, or they may not be delivered any more.
        """
        job, found, *_ = await self.open_result(job_id, owner, item)
        if not job.wish.timestamps:
            raise NotFoundError("the job was submitted without timestamps, so nobody knows when its words are said")
        assert found.result is not None
        return job, [read_words(sentence["words"]) or () for sentence in found.result.sentences]

    async def sidecar_of(self, job_id: str, owner: str, item: int) -> tuple[Job, bytes]:
        """Return a job and the signed sidecar of the file of one of its items.

        Raises:
            ServingError: There is no such file, it may not be delivered any more, or nothing is marked.
        """
        job, found, _ = await self.open_result(job_id, owner, item)
        if self._marker is None:
            raise NotFoundError("nothing is marked here, because serve.provenance.mark is false")
        assert found.result is not None and job.version is not None and job.candidate_id is not None
        facts = make_facts(
            voice=job.wish.voice,
            version=job.version,
            candidate_id=job.candidate_id,
            text_sha256=found.text_sha256,
            traceparent=job.traceparent,
            created_at=job.started_at or job.created_at,
        )
        made = {"sha256": found.result.sha256, "n_bytes": found.result.n_bytes}
        return job, await asyncio.to_thread(self._marker.sidecar, facts, **made)

    async def _submit(self, submission: Submission) -> tuple[Job, bool]:
        if not self.is_started:
            raise DatabaseUnreachableError(
                "jobs cannot be taken yet, because their database did not answer", retry_after=2
            )
        await self._engine.check(self._example(submission.wish))
        return await self._call(store.submit, submission, self.queue.enqueue)

    def _example(self, wish: Wish, job: Job | None = None) -> SpeechRequest:
        """Return a request like those of a job, to ask whether it may be spoken."""
        return SpeechRequest(
            request_id=job.id if job else "check",
            text="",
            voice=wish.voice,
            version=(job.version if job else None) or wish.version,
            preset=wish.preset,
            language=wish.language,
            purpose=wish.purpose,
            seed=wish.seed,
            lane="batch",
            word_times=wish.timestamps,
        )

    async def _start_and_sweep(self) -> None:
        loop = asyncio.get_running_loop()
        await self._call_until_done(self.queue.start)
        self.is_started = True
        # Until it can speak, jobs are for other nodes. After that long, jobs should learn what keeps it from speaking.
        with suppress(TimeoutError):
            async with asyncio.timeout(WARM_SECONDS):
                while not self._engine.health().ready:
                    await asyncio.sleep(LOOK_SECONDS)
        await self._call_until_done(self.queue.take_work, loop)
        while True:
            try:
                await self.sweep(datetime.now(UTC) - timedelta(days=self.settings.jobs.keep_days))
            except (DatabaseUnreachableError, StorageUnreachableError):
                LOG.warning("old jobs could not be deleted now")
            except Exception:  # of DBOS or a disk: texts and speech must not be kept for ever because of it
                LOG.exception("old jobs could not be deleted, which is tried again")
            await asyncio.sleep(SWEEP_SECONDS)

    async def _call_until_done(self, begin: Callable[..., None], *arguments: object) -> None:
        while True:
            try:
                return await asyncio.to_thread(begin, *arguments)
            except DatabaseUnreachableError:  # the queue has logged it
                await asyncio.sleep(START_AGAIN_SECONDS)
            except Exception:  # of DBOS: a node that gave up would take jobs from clients and work on none
                LOG.exception("jobs are not worked on yet, which is tried again")
                await asyncio.sleep(FAULT_SECONDS)

    async def sweep(self, before: datetime) -> int:
        """Delete the jobs that ended before a moment, with their speech. Return how many.

        The speech of jobs whose deletion a kill or an outage has cut short is deleted too.
        """
        for job_id in await self._call(files.deleted_with_files):
            await self._remove_files(job_id)
        n_removed = 0
        while old := await self._call(store.ended_before, before):
            for job_id in old:
                await self._remove_files(job_id)
            await asyncio.to_thread(self.queue.forget, old)  # before their rows, without which nobody knows their names
            for job_id in old:
                await self._call(store.remove, job_id)
            n_removed += len(old)
        return n_removed

    async def _remove_files(self, job_id: str) -> None:
        for sha256 in await self._call(files.files_of, job_id):
            await self._call(files.drop_file, job_id, sha256, self._results.delete)

    async def _call(self, call: Callable[..., T], *arguments: object, **named: object) -> T:
        return await asyncio.to_thread(call, self._database, *arguments, **named)


def _log_fault(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        LOG.error("jobs are not worked on, because of a fault of the service", exc_info=task.exception())

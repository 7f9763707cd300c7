"""Speak the items of a job, wait out what passes, and stop when the job is not this attempt's any more."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from serving.api.failures import log_fault
from serving.audit.rows import UNSTORABLE, as_columns, make_row
from serving.database import Database
from serving.errors import (
    BusyError,
    DatabaseUnreachableError,
    DeadlineError,
    InternalError,
    NotReadyError,
    ServingError,
    UnknownVersionError,
    UnknownVoiceError,
    VoiceDamagedError,
    WorkerLostError,
)
from serving.jobs import files, store
from serving.jobs.durable import UnfinishedError
from serving.jobs.records import Item, Job, Result, State
from serving.jobs.results import ResultStore
from serving.jobs.speaking import AttemptEndedError, JobEngine, speak_item
from serving.jobs.tries import Try
from serving.messages import RequestRecord, SpeechRequest, Started
from serving.provenance.facts import make_facts
from serving.provenance.marking import Marker
from serving.tracing.spans import span

T = TypeVar("T")
Recorder = Callable[[RequestRecord], Awaitable[None]]
COUNTED = (WorkerLostError, DeadlineError, VoiceDamagedError)  # the text may be the reason, so it is not tried for ever
MAX_COUNTED = 3
MAX_WAIT_SECONDS = 30.0
DATABASE_WAIT_SECONDS = 0.5
WORKER_WAIT_SECONDS = 1.0  # until it is seen for the first time whether a worker is warm
FAULT = "the service has a fault; its log has the place under the id of the job"
LOG = logging.getLogger(__name__)


class JobRunner:
    """Runs jobs on the event loop of the API.

    Invariant: a result is written only by the newest attempt of a job, after its file is kept.
    """

    def __init__(
        self,
        database: Database,
        engine: JobEngine,
        results: ResultStore,
        *,
        max_attempts: int,
        keep_text: bool,
        audit: Recorder | None = None,
        recorders: Sequence[Recorder] = (),
        marker: Marker | None = None,
    ) -> None:
        """Prepare.

        Args:
            database: Of serving.
            engine: Speaks.
            results: Where files are kept.
            max_attempts: A job that was claimed more often has failed, because it may be what kills the service.
            keep_text: Whether texts stay in the table when they are spoken.
            audit: Gets a record of each try that failed. The row of one that did not is written with its result. None
                where nothing is audited.
            recorders: Get a record of each try.
            marker: Marks the files. None where nothing is marked.
        """
        self._database, self._engine, self._results = database, engine, results
        self._max_attempts, self._keep_text = max_attempts, keep_text
        self._audit, self._recorders = audit, tuple(recorders)
        self._marker = marker

    async def run(self, job_id: str) -> None:
        """Run a job to its end, or until it is not this attempt's any more.

        Raises:
            UnfinishedError: The job has not ended, because another attempt has taken it. That one may be of a node
                that died, so DBOS must not record an end.
        """
        job = await self._patiently(store.claim, job_id)
        if job is None:
            return
        await self._run(job)
        if await self._patiently(store.is_open, job_id):
            raise UnfinishedError("another attempt has taken the job")

    async def _run(self, job: Job) -> None:
        task = asyncio.ensure_future(self._speak_items(job))
        try:
            await asyncio.wait({task})
        finally:
            task.cancel()
        error = None if task.cancelled() else task.exception()
        if error is None or isinstance(error, AttemptEndedError):
            return
        if not isinstance(error, ServingError):
            log_fault(error, job.id)
            error = InternalError(FAULT)
        await self._finish(job, "failed", error)

    async def _speak_items(self, job: Job) -> None:
        if job.attempt > self._max_attempts:
            raise InternalError(f"the job was begun {self._max_attempts} times, and the service stopped each time")
        results = []
        for item in job.items:
            if item.result is not None:
                results.append(item.result)
                continue
            results.append(await self._speak_patiently(job, item))
            current = await self._patiently(store.find, job.id)
            if current.attempt != job.attempt:
                raise AttemptEndedError
            job = current  # with the version that speaks the other items
        await self._finish(job, "needs_review" if any(each.needs_review for each in results) else "done")

    async def _speak_patiently(self, job: Job, item: Item) -> Result:
        n_counted, n_waits = 0, 0
        while True:
            try:
                with span("job item", job.traceparent) as working:
                    working.note(job=job.id, item=item.item, attempt=job.attempt)
                    return await self._speak(job, item, working.traceparent or None)
            except AttemptEndedError:
                raise
            except ServingError as error:
                n_counted += isinstance(error, COUNTED)
                if n_counted >= MAX_COUNTED or not self._passes(error):
                    raise
                LOG.info("job %s waits: %s", job.id, error.type)
                await asyncio.sleep(_seconds_until_next_try(error, n_waits))
                n_waits += 1
                await self._require_current(job)

    def _passes(self, error: ServingError) -> bool:
        """Return whether another try can succeed. An engine that has just started knows no voice yet."""
        is_unknown = isinstance(error, UnknownVoiceError | UnknownVersionError)
        return isinstance(error, BusyError) or (is_unknown and not self._engine.health().ready)

    async def _speak(self, job: Job, item: Item, traceparent: str | None) -> Result:
        if self._marker is not None:
            self._marker.require_valid()  # nothing is spoken again and again that could not be marked
        attempt = Try(job=job, item=item, request=self._request(job, item, traceparent))
        error: ServingError | None = None
        try:
            return await speak_item(
                self._engine,
                attempt.request,
                attempt.speech,
                form=job.wish.format,
                rate=job.wish.sample_rate,
                results=self._results,
                watch=lambda _: self._watch(attempt),
                note=lambda sha256: self._note(attempt, sha256),
                record=lambda result: self._keep(attempt, result),
                mark=partial(self._mark, attempt) if self._marker is not None else None,
            )
        except AttemptEndedError:
            raise
        except Exception as caught:  # also one of ours, or the audit would say 200 of a job that failed
            error = caught if isinstance(caught, ServingError) else InternalError(FAULT)
            raise
        finally:
            record = attempt.record(result=attempt.speech.result, error=error)
            audit = [self._audit] if self._audit is not None and not attempt.is_audited else []
            for recorder in (*audit, *self._recorders):
                await recorder(record)

    async def _watch(self, attempt: Try) -> None:
        """Freeze the version when the first item begins, and stop an attempt that is not the newest any more."""
        job, started = attempt.job, attempt.speech.started
        if job.version is None and not attempt.speech.sentences and started is not None:
            if not await self._patiently(store.freeze_version, job, started.version, started.candidate_id):
                raise AttemptEndedError
        else:
            await self._require_current(job)

    async def _note(self, attempt: Try, sha256: str) -> None:
        place = (attempt.job, attempt.item.item)
        if not await self._patiently(files.note_file, *place, sha256, self._results.delete):
            raise AttemptEndedError

    async def _keep(self, attempt: Try, result: Result) -> None:
        """Write a result with its row of the audit.

        If the table of the audit does not take the row, such as for want of a right, the job is done nevertheless. The
        row waits with those of other requests.
        """
        job, place = attempt.job, attempt.item.item
        row = None
        if self._audit is not None:
            row = as_columns(make_row(attempt.record(result=result), keep_text=self._keep_text))
        write = partial(self._patiently, store.record, job, place, result, keep_text=self._keep_text)
        try:
            is_newest = await write(audit=row)
            attempt.is_audited = is_newest and row is not None
        except UNSTORABLE as error:
            log_fault(error, job.id)
            is_newest = await write(audit=None)
        if not is_newest:
            await self._drop(job.id, place, result.sha256)
            raise AttemptEndedError

    async def _drop(self, job_id: str, item: int, sha256: str) -> None:
        """Delete a file that may not be recorded, again and again while the store is away."""
        while True:
            try:
                return await self._patiently(files.drop_refused, job_id, item, sha256, self._results.delete)
            except BusyError:
                await asyncio.sleep(DATABASE_WAIT_SECONDS)

    def _mark(self, attempt: Try, file: Path, started: Started) -> None:
        assert self._marker is not None
        facts = make_facts(
            voice=attempt.request.voice,
            version=started.version,
            candidate_id=started.candidate_id,
            text_sha256=attempt.item.text_sha256,
            traceparent=attempt.job.traceparent,
            created_at=attempt.begun,
        )
        self._marker.mark(file, attempt.job.wish.format, facts)

    def _request(self, job: Job, item: Item, traceparent: str | None) -> SpeechRequest:
        assert item.text is not None
        return SpeechRequest(
            request_id=f"{job.id}-{item.item}",
            text=item.text,
            voice=job.wish.voice,
            version=job.version or job.wish.version,
            candidate_id=job.candidate_id,
            preset=job.wish.preset,
            language=job.wish.language,
            purpose=job.wish.purpose,
            seed=job.wish.seed,
            lane="batch",
            traceparent=traceparent,
            word_times=job.wish.timestamps,
        )

    async def _require_current(self, job: Job) -> None:
        if not await self._patiently(store.is_current, job):
            raise AttemptEndedError

    async def _finish(self, job: Job, state: State, error: ServingError | None = None) -> None:
        why = {"error_type": error.type, "error_message": error.message} if error else {}
        await self._patiently(store.finish, job, state, keep_text=self._keep_text, **why)

    async def _patiently(self, call: Callable[..., T], *arguments: object, **named: object) -> T:
        """Call a function of the store in a thread, again and again while the database is away."""
        while True:
            try:
                return await asyncio.to_thread(call, self._database, *arguments, **named)
            except DatabaseUnreachableError:
                await asyncio.sleep(DATABASE_WAIT_SECONDS)


def _seconds_until_next_try(error: ServingError, n_waits: int) -> float:
    """Return how long a job waits, which gets longer each time.

    A worker that starts is warm after some seconds, so a job looks sooner than clients are told to.
    """
    if isinstance(error, NotReadyError):
        return min(error.retry_after or MAX_WAIT_SECONDS, WORKER_WAIT_SECONDS * 1.5 ** min(n_waits, 7))
    return min(MAX_WAIT_SECONDS, max(error.retry_after or 0, 0.25 * 2 ** min(n_waits, 7)))

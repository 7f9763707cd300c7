"""A fault of the service ends a job and tells nobody its text. What an operator can mend is waited for."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from dbos import DBOS
from job_helpers import WISH, SmallEngine, make_jobs, wait_for
from provenance_helpers import write_identity

from serving.database import open_database
from serving.errors import DatabaseUnreachableError, GoneError, NotReadyError, OverCapacityError
from serving.jobs import runner
from serving.provenance.identity import load_identity
from serving.provenance.marking import Marker

TEXT = "Good morning to you. It rains."


async def submitted(database, folder, engine, **changes):
    """Return running jobs, and one that was submitted."""
    jobs = make_jobs(database, folder, engine, **changes)
    await jobs.start()
    while not jobs.is_started:
        await asyncio.sleep(0.05)
    job, _ = await jobs.submit(WISH, (TEXT,), owner="anna", idempotency_key=None, traceparent=None)
    return jobs, job


def test_a_fault_ends_a_job_and_its_text_is_in_no_log(serving_database, tmp_path, caplog):
    async def submit():
        engine = SmallEngine(errors=[RuntimeError(f"cannot say {TEXT!r}")])
        jobs, job = await submitted(serving_database, tmp_path, engine)
        job = await wait_for(jobs, job.id, "failed")
        await jobs.close()
        return job

    job = asyncio.run(submit())
    assert job.error_type == "internal_error"
    assert job.id in caplog.text and "RuntimeError" in caplog.text
    assert TEXT not in caplog.text


def test_a_job_waits_unspoken_while_the_certificate_that_marks_it_has_ended(serving_database, tmp_path, monkeypatch):
    monkeypatch.setattr("serving.jobs.runner.MAX_WAIT_SECONDS", 0.2)
    ended, renewed = (
        load_identity(tmp_path, write_identity(tmp_path / name, valid_for=timedelta(seconds=seconds)))
        for name, seconds in (("ended", 1), ("renewed", 1000))
    )
    time.sleep(2.0)  # a certificate counts whole seconds

    async def submit():
        marker, engine = Marker(ended), SmallEngine(log=tmp_path / "log")
        jobs, job = await submitted(serving_database, tmp_path / "results", engine, marker=marker)
        await wait_for(jobs, job.id, "running")
        await asyncio.sleep(0.5)
        assert (await jobs.find(job.id, "anna")).state == "running"
        assert not (tmp_path / "log").exists()
        marker.identity = renewed  # as the next start reads it
        await wait_for(jobs, job.id, "done")
        await jobs.close()

    asyncio.run(submit())


def test_a_job_looks_for_a_warm_worker_sooner_than_clients_are_told_to():
    waits = [runner._seconds_until_next_try(NotReadyError("soon", retry_after=5), n) for n in range(6)]
    assert waits == sorted(waits) and waits[0] == 1.0 and waits[-1] == 5
    assert runner._seconds_until_next_try(OverCapacityError("full", retry_after=8), 0) == 8


AWAY = DatabaseUnreachableError("away", retry_after=2)


@pytest.fixture
def database(tmp_path):
    opened = open_database(tmp_path, {})
    opened.migrate()
    yield opened
    opened.close()


def fail_once(monkeypatch, place, name, error=AWAY):
    """Let a method fail at its first call, by default as in an outage of the database. Return the arguments of all."""
    calls, method = [], getattr(place, name)

    def call(*arguments):
        calls.append(arguments)
        if len(calls) == 1:
            raise error
        return method(*arguments)

    monkeypatch.setattr(place, name, call)
    return calls


def n_heartbeats():
    return sum(thread.name == "heartbeat of jobs" for thread in threading.enumerate())


def test_a_service_that_stops_while_it_starts_leaves_no_heartbeat(database, tmp_path, monkeypatch):
    begun, goes_on, migrate = threading.Event(), threading.Event(), DBOS.migrate

    def slowly(uri):
        begun.set()
        goes_on.wait(20)
        migrate(uri)

    monkeypatch.setattr(DBOS, "migrate", slowly)

    async def stop_early():
        jobs = make_jobs(database, tmp_path, SmallEngine())
        await jobs.start()
        await asyncio.to_thread(begun.wait)
        await jobs.close()
        goes_on.set()

    asyncio.run(stop_early())  # which waits for the thread that starts
    time.sleep(0.2)
    assert n_heartbeats() == 0


def test_jobs_begin_after_a_fault_and_stop_amid_one(database, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("serving.jobs.service.FAULT_SECONDS", 0.1)

    async def story():
        jobs, job = await submitted(database, tmp_path, SmallEngine(is_ready=False))
        fail_once(monkeypatch, jobs.queue, "take_work", ZeroDivisionError())
        jobs._engine.is_ready = True
        await wait_for(jobs, job.id, "done")
        await jobs.close()
        assert "tried again" in caplog.text

    async def stop():
        jobs = make_jobs(database, tmp_path, SmallEngine())
        monkeypatch.setattr(jobs.queue, "start", lambda: 1 / 0)
        await jobs.start()
        await asyncio.sleep(0.3)
        await jobs.close()

    asyncio.run(story())
    asyncio.run(stop())
    assert n_heartbeats() == 0


def test_a_job_that_was_cancelled_is_so_although_the_queue_cannot_be_told(database, tmp_path, monkeypatch):
    async def cancel():
        jobs, job = await submitted(database, tmp_path, SmallEngine(is_ready=False))
        fail_once(monkeypatch, jobs.queue, "cancel")
        assert (await jobs.cancel(job.id, "anna")).state == "cancelled"
        await jobs.close()

    asyncio.run(cancel())


def test_a_node_leaves_jobs_in_the_queue_until_it_is_warm(database, tmp_path):
    async def warm_up():
        engine = SmallEngine(is_ready=False)
        jobs, job = await submitted(database, tmp_path, engine)
        await asyncio.sleep(2)
        assert (await jobs.find(job.id, "anna")).state == "queued"
        engine.is_ready = True
        assert (await wait_for(jobs, job.id, "done")).attempt == 1
        await jobs.close()

    asyncio.run(warm_up())


def test_a_job_is_cancelled_and_deleted_by_a_node_that_is_not_warm(database, tmp_path):
    async def delete():
        jobs, job = await submitted(database, tmp_path, SmallEngine(is_ready=False))
        assert (await jobs.cancel(job.id, "anna")).state == "cancelled"
        await jobs.delete(job.id, "anna")
        with pytest.raises(GoneError):
            await jobs.find(job.id, "anna")
        await jobs.close()

    asyncio.run(delete())


def test_an_outage_amid_a_sweep_leaves_nothing_of_old_jobs_in_the_queue(database, tmp_path, monkeypatch):
    async def sweep():
        jobs, job = await submitted(database, tmp_path, SmallEngine())
        await wait_for(jobs, job.id, "done")
        calls, later = fail_once(monkeypatch, jobs.queue, "forget"), datetime.now(UTC) + timedelta(days=1)
        with pytest.raises(DatabaseUnreachableError):
            await jobs.sweep(later)
        assert await jobs.sweep(later) == 1
        assert calls == [([job.id],), ([job.id],)]
        await jobs.close()

    asyncio.run(sweep())


def test_the_log_says_why_jobs_cannot_begin(database, tmp_path, monkeypatch, caplog):
    refused = sa.exc.ProgrammingError("CREATE SCHEMA dbos", {}, Exception("permission denied for database"))

    def refuse(_):
        raise refused

    monkeypatch.setattr(DBOS, "migrate", refuse)

    async def start():
        jobs = make_jobs(database, tmp_path, SmallEngine())
        await jobs.start()
        await asyncio.sleep(0.5)
        await jobs.close()

    asyncio.run(start())
    assert "permission denied for database" in caplog.text

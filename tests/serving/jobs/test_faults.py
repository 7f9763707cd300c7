"""A fault of the service ends a job and tells nobody its text. What an operator can mend is waited for."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

from job_helpers import WISH, SmallEngine, make_jobs, wait_for
from provenance_helpers import write_identity

from serving.errors import NotReadyError, OverCapacityError
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

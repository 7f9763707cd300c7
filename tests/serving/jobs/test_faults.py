"""A fault of the service ends a job, and tells nobody what it was to say."""

from __future__ import annotations

import asyncio

from job_helpers import WISH, SmallEngine, make_jobs, wait_for

TEXT = "Good morning to you. It rains."


def test_a_fault_ends_a_job_and_its_text_is_in_no_log(serving_database, tmp_path, caplog):
    async def submit():
        jobs = make_jobs(serving_database, tmp_path, SmallEngine(errors=[RuntimeError(f"cannot say {TEXT!r}")]))
        await jobs.start()
        while not jobs.is_started:
            await asyncio.sleep(0.05)
        job, _ = await jobs.submit(WISH, (TEXT,), owner="anna", idempotency_key=None, traceparent=None)
        job = await wait_for(jobs, job.id, "failed")
        await jobs.close()
        return job

    job = asyncio.run(submit())
    assert job.error_type == "internal_error"
    assert job.id in caplog.text and "RuntimeError" in caplog.text
    assert TEXT not in caplog.text

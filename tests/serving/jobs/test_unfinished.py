"""A job comes to its end although answers get lost, a try ends by a fault, or another attempt takes it and dies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import sqlalchemy as sa
from job_helpers import WISH, SmallEngine, make_jobs, make_queues, wait_for

from serving.errors import DatabaseUnreachableError, StorageUnreachableError
from serving.jobs import store
from serving.jobs.service import JobService
from serving.storage.folder import FolderStore
from serving.tables import JOB_ITEMS, JOBS

STATE = sa.select(JOBS.c.state)


@pytest.fixture(autouse=True)
def _queues(serving_database):
    make_queues(serving_database)


@asynccontextmanager
async def working(database, folder, engine, **changes) -> AsyncIterator[JobService]:
    """Give jobs that are worked on, and stop them."""
    jobs = make_jobs(database, folder / "results", engine, **changes)
    await jobs.start()
    while not jobs.is_started:
        await asyncio.sleep(0.05)
    try:
        yield jobs
    finally:
        await jobs.close()


async def submit(jobs, *texts: str) -> str:
    job, _ = await jobs.submit(WISH, texts or ("One.",), owner="anna", idempotency_key=None, traceparent=None)
    return job.id


def files_in(folder) -> set[str]:
    return {path.parent.name + path.name for path in (folder / "results").rglob("*") if path.is_file()}


def hashes(database) -> set[str]:
    with database.transaction() as connection:
        return set(connection.scalars(sa.select(JOB_ITEMS.c.sha256)))


def test_a_job_whose_result_was_kept_and_not_answered_is_done(serving_database, tmp_path, monkeypatch):
    write, n_calls = store.record, []

    def lose_the_first_answer(*arguments, **named):
        written = write(*arguments, **named)
        n_calls.append(1)
        if len(n_calls) == 1:
            raise DatabaseUnreachableError("the server closed the connection", retry_after=2)
        return written

    monkeypatch.setattr(store, "record", lose_the_first_answer)

    async def story() -> None:
        async with working(serving_database, tmp_path, SmallEngine()) as jobs:
            await wait_for(jobs, await submit(jobs, "One.", "Two."), "done")

    asyncio.run(story())
    assert len(n_calls) == 3
    assert files_in(tmp_path) == hashes(serving_database)


class AwayStore(FolderStore):
    """A store that is away once, when it is asked for a file."""

    n_asked = 0

    def holds(self, key: str) -> bool:
        self.n_asked += 1
        if self.n_asked == 1:
            raise StorageUnreachableError("away", retry_after=1)
        return super().holds(key)


def test_a_job_is_done_whose_store_was_away_after_its_result_was_recorded(serving_database, tmp_path):
    marks = []

    class Mark:
        """Marks each file with another moment."""

        def require_valid(self) -> None:
            pass

        def mark(self, file, form, facts) -> None:
            marks.append(1)
            with file.open("ab") as opened:
                opened.write(bytes([len(marks)]))

    objects = AwayStore(tmp_path / "results")

    async def story() -> None:
        async with working(serving_database, tmp_path, SmallEngine(), objects=objects, marker=Mark()) as jobs:
            await wait_for(jobs, await submit(jobs), "done")

    asyncio.run(story())
    assert files_in(tmp_path) == hashes(serving_database)

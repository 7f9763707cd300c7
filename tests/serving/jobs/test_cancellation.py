"""Cancelling a job keeps what was spoken, and deleting one leaves nothing, also where a request is sent again."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa
from job_helpers import SmallEngine, make_queues, speech_of, submit, wait_for, working

from serving.errors import GoneError
from serving.tables import JOB_ITEMS


@pytest.fixture(autouse=True)
def _queues(serving_database):
    make_queues(serving_database)


async def wait_for_an_item(jobs, name: str) -> None:
    while (await jobs.find(name, "anna")).items[0].result is None:
        await asyncio.sleep(0.05)


def test_a_job_that_is_cancelled_twice_keeps_what_was_spoken(serving_database, tmp_path):
    """A client whose answer got lost sends the request again."""

    async def story() -> None:
        async with working(serving_database, tmp_path, SmallEngine(seconds=0.1)) as jobs:
            name = await submit(jobs, "One.", "Two. " * 100)
            await wait_for_an_item(jobs, name)
            for _ in range(2):
                assert (await jobs.cancel(name, "anna")).state == "cancelled"
            *_, key = await jobs.open_result(name, "anna", 0)
            assert b"".join(jobs.objects.open(key)).endswith(speech_of("One", 0))
            done = await submit(jobs, "Three.")
            await wait_for(jobs, done, "done")
            assert (await jobs.cancel(done, "anna")).state == "done"

    asyncio.run(story())


def test_a_running_job_that_is_deleted_stops_and_leaves_nothing(serving_database, tmp_path):
    async def story() -> None:
        async with working(serving_database, tmp_path, SmallEngine(seconds=0.1), jobs__n_at_once=1) as jobs:
            name = await submit(jobs, "One.", "Two. " * 100)
            await wait_for_an_item(jobs, name)
            assert (await jobs.delete(name, "anna")).state == "deleted"
            with pytest.raises(GoneError):
                await jobs.delete(name, "anna")
            await wait_for(jobs, await submit(jobs, "Three."), "done")  # the other one does not keep its place

    asyncio.run(story())
    assert len([path for path in (tmp_path / "results").rglob("*") if path.is_file()]) == 1
    with serving_database.transaction() as connection:
        assert set(connection.scalars(sa.select(JOB_ITEMS.c.text))) == {None}

"""Two living runners have the same slice. Nobody has died, so neither takes a row of the other."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
import sqlalchemy as sa
from campaign_nodes import campaign_settings, find_campaign, idle_node, rendered, rows_of, running_node, start_campaign
from job_helpers import SmallEngine, make_queues

from campaigns.execution import claims
from campaigns.execution.plan import QUEUE, WORKFLOW, slice_id
from serving.errors import DatabaseUnreachableError, UnknownVoiceError
from serving.jobs.durable import DurableQueue
from serving.tables import NODES


@pytest.fixture
def database(each_database):
    return each_database


def outcome(database) -> Counter:
    return Counter((row["state"], row["attempts"]) for row in rows_of(database))


def test_two_living_runners_of_a_slice_take_no_row_from_each_other(tmp_path, database):
    plan = campaign_settings(max_attempts=3)
    start_campaign(tmp_path, database, plan, rendered(plan, 10))
    work_id, engine = slice_id(find_campaign(database).id, 0, 1), SmallEngine(seconds=0.2)

    async def scenario():
        async with (
            idle_node(tmp_path, database, engine) as one,
            idle_node(tmp_path, database, engine) as other,
        ):
            await asyncio.gather(*(service.work.run(work_id) for service in (one, other, other)))

    asyncio.run(scenario())
    assert outcome(database) == {("done", 1): 10}


def test_a_row_of_a_node_that_dies_after_the_others_ran_dry_is_taken_up(tmp_path, database):
    plan = campaign_settings()
    start_campaign(tmp_path, database, plan, rendered(plan, 3))
    work_id = slice_id(find_campaign(database).id, 0, 1)
    with database.transaction() as connection:
        connection.execute(sa.insert(NODES).values(id="late", beats=7))
    claims.claim_next(database, find_campaign(database).id, 0, f"{work_id}#late.1")

    async def die_later():
        while outcome(database)[("done", 1)] < 2:
            await asyncio.sleep(0.05)
        await asyncio.sleep(1.5)
        assert outcome(database) == {("done", 1): 2, ("running", 1): 1}
        with database.transaction() as connection:
            connection.execute(sa.delete(NODES).where(NODES.c.id == "late"))

    async def scenario():
        async with idle_node(tmp_path, database, SmallEngine()) as service:
            await asyncio.gather(service.work.run(work_id), die_later())

    asyncio.run(scenario())
    assert outcome(database) == {("done", 1): 2, ("done", 2): 1}


def test_a_claim_whose_answer_is_lost_is_not_counted_twice(tmp_path, database, monkeypatch):
    plan, claim_next, n_lost = campaign_settings(max_attempts=1), claims.claim_next, [2]
    start_campaign(tmp_path, database, plan, rendered(plan, 3))

    def losing(*arguments):
        found = claim_next(*arguments)
        if n_lost[0]:
            n_lost[0] -= 1
            raise DatabaseUnreachableError("the database went away before it answered")
        return found

    monkeypatch.setattr(claims, "claim_next", losing)

    async def scenario():
        async with idle_node(tmp_path, database, SmallEngine()) as service:
            await service.work.run(slice_id(find_campaign(database).id, 0, 1))

    asyncio.run(scenario())
    assert outcome(database) == {("done", 1): 3}


def test_of_two_works_that_hand_a_slice_back_one_stays(tmp_path, database, monkeypatch):
    monkeypatch.setattr("campaigns.execution.slices.HAND_BACK_SECONDS", 0.1)
    make_queues(database, (WORKFLOW, QUEUE))
    plan, engine = campaign_settings(), SmallEngine(refusal=UnknownVoiceError("no voice 'sample' is served"))
    start_campaign(tmp_path, database, plan, rendered(plan, 3))
    first = slice_id(find_campaign(database).id, 0, 1)
    queue = DurableQueue(database, lambda _: None, n_at_once=1)
    with database.transaction() as connection:  # a node handed it back, and died before DBOS knew that it had ended
        queue.enqueue_work(connection, f"{first}.000000000001", workflow=WORKFLOW, queue=QUEUE)

    async def scenario():
        async with running_node(tmp_path, database, engine):
            async with asyncio.timeout(20):
                while len(queue.open_work(first, queue=QUEUE)) > 1:  # a chain is 2 at times
                    await asyncio.sleep(0.05)
            await asyncio.sleep(1)
            assert queue.open_work(first, queue=QUEUE)

    asyncio.run(scenario())

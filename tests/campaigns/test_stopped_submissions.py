"""A submission that is stopped on the way: by a person, whatever the clocks say, or by a kill."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from campaign_nodes import (
    campaign_settings,
    find_campaign,
    idle_node,
    rendered,
    rows_of,
    running_node,
    start_campaign,
    stream,
    submit,
    wait_for,
)
from job_helpers import SmallEngine, make_queues

from campaigns.execution import control, submitting
from campaigns.execution.plan import QUEUE, WORKFLOW, slice_id
from campaigns.execution.sealing import open_sealer


@pytest.fixture
def database(each_database):
    return each_database


class SlowClock(datetime):
    """The clock of a node that is 2 s behind the others."""

    @classmethod
    def now(cls, tz=None):
        return datetime.now(tz) - timedelta(seconds=2)


def states(database) -> Counter:
    return Counter(row["state"] for row in rows_of(database))


async def submit_and(service, plan, rows, act):
    """Submit rows, and do something after 250 of them were written."""

    async def interrupted():
        async for row in stream(rows):
            if row is rows[260]:
                await act(find_campaign(service._database).id)
            yield row

    return await service.submit(plan, interrupted(), owner="anna", version=3, candidate_id="c3")


def test_a_cancellation_by_a_node_whose_clock_is_behind_is_kept(tmp_path, database, monkeypatch):
    plan = campaign_settings()
    monkeypatch.setattr(control, "datetime", SlowClock)

    async def scenario():
        async with idle_node(tmp_path, database, SmallEngine()) as service:
            submitted = await submit_and(service, plan, rendered(plan, 300), service.cancel)
            assert submitted.campaign.state == "cancelled"
            assert states(database) == {"cancelled": 300}
            assert (await submit(service, plan, rendered(plan, 300))).campaign.state == "running"

    asyncio.run(scenario())
    assert states(database) == {"queued": 300}


def test_a_cancellation_of_another_submission_after_the_end_is_kept(tmp_path, database):
    plan = campaign_settings()
    start_campaign(tmp_path, database, plan, rendered(plan, 3))

    async def scenario():
        async with idle_node(tmp_path, database, SmallEngine()) as service:
            await service.work.run(slice_id(find_campaign(database).id, 0, 1))
            assert find_campaign(database).state == "done"
            submitted = await submit_and(service, plan, rendered(plan, 300), service.cancel)
            assert submitted.campaign.state == "cancelled"

    asyncio.run(scenario())
    assert states(database) == {"done": 3, "cancelled": 297}


def test_a_cancellation_before_a_submission_by_a_clock_that_is_behind_does_not_stop_it(tmp_path, database, monkeypatch):
    plan = campaign_settings()
    start_campaign(tmp_path, database, plan, rendered(plan, 3))

    async def scenario():
        async with idle_node(tmp_path, database, SmallEngine()) as service:
            await service.cancel(find_campaign(database).id)
            with monkeypatch.context() as patched:
                patched.setattr("campaigns.execution.submitting.datetime", SlowClock)
                assert (await submit(service, plan, rendered(plan, 3))).campaign.state == "running"

    asyncio.run(scenario())
    assert states(database) == {"queued": 3}


def test_a_retry_after_the_cancellation_of_a_submission_goes_on(tmp_path, database):
    plan = campaign_settings()

    async def scenario():
        async with idle_node(tmp_path, database, SmallEngine()) as service:

            async def cancel_and_retry(campaign_id):
                await service.cancel(campaign_id)
                await service.retry(campaign_id)

            submitted = await submit_and(service, plan, rendered(plan, 300), cancel_and_retry)
            assert submitted.campaign.state == "running"

    asyncio.run(scenario())
    assert states(database) == {"queued": 300}
    assert find_campaign(database).submitted_at < datetime.now(UTC)


def test_rows_of_a_submission_that_was_killed_are_spoken_while_their_campaign_runs(tmp_path, database):
    make_queues(database, (WORKFLOW, QUEUE))
    plan, engine = campaign_settings(), SmallEngine(seconds=1)

    async def scenario():
        async with running_node(tmp_path, database, engine) as service:
            campaign = (await submit(service, plan, rendered(plan, 3))).campaign
            began = submitting.begin(database, plan, owner="anna", version=3, candidate_id="c3")
            submitting.add_rows(database, began, open_sealer(tmp_path), rendered(plan, 40), first_place=0)
            engine.seconds = 0
            await wait_for(service, campaign.id, "done", seconds=40)

    asyncio.run(scenario())
    assert states(database) == {"done": 40}

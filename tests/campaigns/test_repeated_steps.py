"""What is done after a transaction is done again where the process or its surroundings fail between the two."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from campaign_nodes import campaign_settings, find_campaign, idle_node, rendered, start_campaign, submit
from job_helpers import SmallEngine

from campaigns.execution.plan import QUEUE, slice_id
from serving.errors import DatabaseUnreachableError, StorageUnreachableError
from serving.jobs.durable import DurableQueue
from serving.storage.folder import FolderStore


@pytest.fixture
def database(each_database):
    return each_database


def files(folder) -> list:
    return list((folder / "results/campaigns").rglob("*.wav"))


async def speak(service, database, *, run: int = 1) -> str:
    """Speak the first slice of the only campaign. Return the id of the campaign."""
    campaign_id = find_campaign(database).id
    await service.work.run(slice_id(campaign_id, 0, run))
    assert find_campaign(database).state == "done"
    return campaign_id


def away(*_: object) -> None:
    raise StorageUnreachableError("the store does not answer")


def test_what_a_person_wants_deleted_is_deleted_also_where_the_store_was_away(tmp_path, database, monkeypatch):
    plan = campaign_settings()
    start_campaign(tmp_path, database, plan, rendered(plan, 3))

    async def scenario():
        async with idle_node(tmp_path, database, SmallEngine()) as service:
            campaign_id = await speak(service, database)
            with monkeypatch.context() as patched:
                patched.setattr(FolderStore, "delete", away)
                with pytest.raises(StorageUnreachableError):
                    await service.cancel(campaign_id, delete=True)
            assert len(files(tmp_path)) == 3
            await service.sweep()
            assert not files(tmp_path)
            run = (await submit(service, plan, rendered(plan, 3))).campaign.run
            await speak(service, database, run=run)
            await service.sweep()

    asyncio.run(scenario())
    assert len(files(tmp_path)) == 3


def test_work_of_a_campaign_whose_texts_were_deleted_is_forgotten_also_after_an_outage(tmp_path, database, monkeypatch):
    plan = campaign_settings()
    start_campaign(tmp_path, database, plan, rendered(plan, 3))
    forgotten, forget_all = [], DurableQueue.forget_all

    def counted(self, prefix, **named):
        forgotten.append(prefix)
        if len(forgotten) == 1:
            raise DatabaseUnreachableError("the database does not answer")
        forget_all(self, prefix, **named)

    async def scenario():
        async with idle_node(tmp_path, database, SmallEngine()) as service:
            campaign_id = await speak(service, database)
            monkeypatch.setattr("campaigns.execution.control.timedelta", lambda **_: timedelta(0))
            monkeypatch.setattr(DurableQueue, "forget_all", counted)
            with pytest.raises(DatabaseUnreachableError):
                await service.sweep()
            await service.sweep()
            assert forgotten == [f"{campaign_id}:"] * 2
            queue = DurableQueue(database, lambda _: None, n_at_once=1)
            assert queue.open_work(campaign_id, queue=QUEUE) == [slice_id(campaign_id, 0, 1)]  # it has not ended

    asyncio.run(scenario())

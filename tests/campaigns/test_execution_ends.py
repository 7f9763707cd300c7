"""What ends rows and campaigns: their time, the order of a stop, a node that cannot judge, a store that is away."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from campaign_nodes import (
    campaign_settings,
    find_campaign,
    rendered,
    rows_of,
    running_node,
    start_campaign,
    submit,
    wait_for,
)
from dbos import DBOS
from job_helpers import SmallEngine
from pydantic import ValidationError

from campaigns.execution.files import remove_files
from campaigns.execution.service import CampaignService
from campaigns.quality.judging import Judgement
from serving.errors import RevokedError, StorageUnreachableError, VoiceDamagedError
from serving.storage.folder import FolderStore


class Ear:
    """A judge that hears what was to be said."""

    async def check(self, *, language: str | None, voice: str | None) -> None:
        pass

    async def hear(self, *_: object, **__: object) -> Judgement:
        return Judgement(wer=0.0, similarity=None)


def states(database) -> Counter:
    return Counter(row["state"] for row in rows_of(database))


def test_a_row_that_is_spoken_when_a_node_is_stopped_waits_as_if_it_had_not_been_claimed(tmp_path, database):
    plan, engine = campaign_settings(), SmallEngine(seconds=5)
    DBOS.migrate(database.uri)
    start_campaign(tmp_path, database, plan, rendered(plan, 1))

    async def stop_while_it_is_spoken():
        async with running_node(tmp_path, database, engine):
            while not states(database)["running"]:
                await asyncio.sleep(0.02)

    asyncio.run(stop_while_it_is_spoken())
    assert (states(database), rows_of(database)[0]["attempts"]) == ({"queued": 1}, 0)


def test_nothing_is_spoken_or_delivered_after_its_time_also_where_nobody_watches(tmp_path, database, monkeypatch):
    async def watch(_) -> None:
        pass

    monkeypatch.setattr(CampaignService, "watch", watch)
    plan = campaign_settings(expires_at=datetime.now(UTC) + timedelta(seconds=3))
    engine = SmallEngine(seconds=0.5)

    async def scenario():
        async with running_node(tmp_path, database, engine) as service:
            campaign = (await submit(service, plan, rendered(plan, 200))).campaign
            await wait_for(service, campaign.id, "expired")

    asyncio.run(scenario())
    assert set(states(database)) == {"done", "expired"}
    assert max(row["finished_at"] for row in rows_of(database, state="done")) < plan.expires_at + timedelta(seconds=1)


def test_a_node_without_judges_leaves_what_is_to_be_judged_to_another(tmp_path, database, monkeypatch):
    monkeypatch.setattr("campaigns.execution.slices.HAND_BACK_SECONDS", 0.1)
    plan, engine = campaign_settings(quality={"share": 1.0}), SmallEngine()
    DBOS.migrate(database.uri)
    start_campaign(tmp_path, database, plan, rendered(plan, 3))

    async def without_judges():
        async with running_node(tmp_path, database, engine):
            await asyncio.sleep(1.5)

    async def with_judges():
        async with running_node(tmp_path, database, engine, judge=Ear()) as service:
            await wait_for(service, find_campaign(database).id, "done")

    asyncio.run(without_judges())
    assert states(database) == {"queued": 3}
    asyncio.run(with_judges())
    assert [row["wer"] for row in rows_of(database)] == [0.0] * 3


def test_what_nobody_reviewed_is_deleted_also_where_the_store_was_away_at_first(tmp_path, database, monkeypatch):
    plan, engine = campaign_settings(keep_variables_days=1e-9), SmallEngine(outcome="too_long")

    def away(*_) -> None:
        raise StorageUnreachableError("the store does not answer")

    async def scenario():
        async with running_node(tmp_path, database, engine) as service:
            await wait_for(service, (await submit(service, plan, rendered(plan, 2))).campaign.id, "done")
            with monkeypatch.context() as patched:
                patched.setattr(FolderStore, "delete", away)
                with pytest.raises(StorageUnreachableError):
                    await service.sweep()
            await service.sweep()

    asyncio.run(scenario())
    assert [row["content"] for row in rows_of(database)] == [None, None]
    assert not list((tmp_path / "results/review").rglob("*.wav"))


def test_a_prefix_that_would_not_fit_into_the_table_is_refused():
    with pytest.raises(ValidationError, match="200"):
        campaign_settings(delivery={"prefix": "/".join(["a" * 60] * 5)})


def test_a_store_that_hangs_while_it_deletes_holds_up_no_other_question(tmp_path, database, monkeypatch):
    answers, removals, delete = threading.Event(), [], FolderStore.delete

    def hanging(self, key) -> None:
        answers.wait(30)
        delete(self, key)

    def counted(*arguments) -> None:
        removals.append(arguments)
        remove_files(*arguments)

    async def nothing(_) -> None:  # so that the rows find out
        pass

    monkeypatch.setattr(CampaignService, "watch", nothing)
    monkeypatch.setattr(CampaignService, "sweep", nothing)
    monkeypatch.setattr(FolderStore, "delete", hanging)
    monkeypatch.setattr("campaigns.execution.service.remove_files", counted)
    plan = campaign_settings(delivery={"delete_on_revocation": True})
    engine = SmallEngine(seconds=0.2)

    async def scenario():
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2))
        async with running_node(tmp_path, database, engine) as service:
            campaign = (await submit(service, plan, rendered(plan, 64))).campaign
            while not states(database)["done"]:
                await asyncio.sleep(0.02)
            engine.refusal = RevokedError("the consent to the voice sample was revoked")
            while not removals:
                await asyncio.sleep(0.02)
            await asyncio.sleep(1)
            async with asyncio.timeout(1):
                assert (await service.find(campaign.id, None)).state == "cancelled"
            n_removals = len(removals)
            answers.set()
            return n_removals

    assert asyncio.run(scenario()) == 1  # and not one for each row that was being spoken


def test_a_journal_that_is_unreadable_for_a_moment_fails_no_row(tmp_path, database, monkeypatch):
    monkeypatch.setattr("campaigns.execution.slices.MAX_WAIT_SECONDS", 2.0)
    plan, engine = campaign_settings(max_attempts=3), SmallEngine()

    async def scenario():
        async with running_node(tmp_path, database, engine) as service:
            campaign = (await submit(service, plan, rendered(plan, 3))).campaign
            engine.refusal = VoiceDamagedError("the journal of sample is not what was written")
            await asyncio.sleep(3)
            engine.refusal = None
            await wait_for(service, campaign.id, "done")

    asyncio.run(scenario())
    assert states(database) == {"done": 3}

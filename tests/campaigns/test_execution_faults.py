"""What goes wrong around a campaign: dead nodes, a submission in the middle, a lost key, a store that goes away."""

from __future__ import annotations

import asyncio
import base64
import secrets
import shutil
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from campaign_nodes import (
    campaign_settings,
    rendered,
    rows_of,
    running_node,
    start_campaign,
    stream,
    submit,
    wait_for,
)
from dbos import DBOS
from job_helpers import SmallEngine

from campaigns.execution import claims, control, submitting
from campaigns.execution.plan import hand_back_id, slice_id
from campaigns.execution.sealing import open_sealer
from campaigns.execution.service import _repeat
from campaigns.secrets import CONTENT_KEY
from campaigns.tables import CAMPAIGNS
from serving.errors import ConflictError, RevokedError, StorageUnreachableError, UnknownVoiceError
from serving.releases.table import NotInServiceError
from serving.storage.folder import FolderStore
from serving.tables import REQUESTS


@pytest.fixture
def engine(tmp_path):
    return SmallEngine(log=tmp_path / "log")


def states(database) -> Counter:
    return Counter(row["state"] for row in rows_of(database))


def spoken(engine) -> int:
    return sum(line.startswith("begin") for line in engine.log.read_text().splitlines()) if engine.log.exists() else 0


async def first_done(database) -> None:
    while not states(database)["done"]:
        await asyncio.sleep(0.02)


def test_rows_of_a_dead_node_are_taken_up_after_their_slice_was_handed_back(tmp_path, database, engine, monkeypatch):
    monkeypatch.setattr("campaigns.execution.slices.HAND_BACK_SECONDS", 0.1)
    plan = campaign_settings()
    DBOS.migrate(database.uri)
    start_campaign(tmp_path, database, plan, rendered(plan, 3))
    campaign_id = rows_of(database)[0]["campaign_id"]
    claims.claim_next(database, campaign_id, 0, f"{slice_id(campaign_id, 0, 1)}#dead")
    engine.refusal = UnknownVoiceError("no voice 'sample' is served")
    handed_back = []
    monkeypatch.setattr(
        "campaigns.execution.queueing.hand_back_id", lambda work_id: handed_back.append(1) or hand_back_id(work_id)
    )

    async def scenario():
        async with running_node(tmp_path, database, engine) as service:
            while not handed_back:
                await asyncio.sleep(0.05)
            engine.refusal = None
            await wait_for(service, campaign_id, "done", seconds=8)
            while await DBOS.list_workflows_async(status="PENDING"):
                await asyncio.sleep(0.05)
            monkeypatch.setattr("campaigns.execution.control.timedelta", lambda **_: timedelta(0))
            await service.sweep()
            assert await DBOS.list_workflows_async() == []

    asyncio.run(scenario())
    assert states(database) == {"done": 3}


def test_a_slice_that_is_handed_back_again_and_again_leaves_few_rows(tmp_path, database, engine, monkeypatch):
    monkeypatch.setattr("campaigns.execution.slices.HAND_BACK_SECONDS", 0.02)
    plan, ids = campaign_settings(), []
    DBOS.migrate(database.uri)
    start_campaign(tmp_path, database, plan, rendered(plan, 3))
    engine.refusal = UnknownVoiceError("no voice 'sample' is served")
    monkeypatch.setattr(
        "campaigns.execution.queueing.hand_back_id", lambda work_id: ids.append(hand_back_id(work_id)) or ids[-1]
    )

    async def scenario():
        async with running_node(tmp_path, database, engine):
            while len(ids) < 8:
                await asyncio.sleep(0.05)
            assert len(await DBOS.list_workflows_async()) <= 4

    asyncio.run(scenario())


def test_a_fault_in_a_lane_loses_no_row(tmp_path, database, engine, monkeypatch):
    monkeypatch.setattr("campaigns.execution.slices.FAULT_SECONDS", 0.1)
    finish, faults = claims.finish, [RuntimeError("a fault of the service")]

    def faulty(*arguments, **named):
        if faults:
            raise faults.pop()
        return finish(*arguments, **named)

    monkeypatch.setattr(claims, "finish", faulty)
    claim_next = claims.claim_next
    broken = [RuntimeError("a fault of the service")]

    def faulty_claim(*arguments):
        found = claim_next(*arguments)
        if broken:
            raise broken.pop()
        return found

    monkeypatch.setattr(claims, "claim_next", faulty_claim)
    plan = campaign_settings()

    async def scenario():
        async with running_node(tmp_path, database, engine) as service:
            campaign = (await submit(service, plan, rendered(plan, 8))).campaign
            await wait_for(service, campaign.id, "done", seconds=8)

    asyncio.run(scenario())
    assert states(database) == {"done": 7, "failed": 1}


def test_rows_of_a_submission_in_the_middle_are_spoken_by_its_settings(tmp_path, database, engine):
    engine.seconds = 0.03
    before, after = campaign_settings(seed=0), campaign_settings(seed=1)

    async def scenario():
        async with running_node(tmp_path, database, engine) as service:
            campaign = (await submit(service, before, rendered(before, 32))).campaign
            await first_done(database)
            await submit(service, after, rendered(after, 32))
            await wait_for(service, campaign.id, "done")

    asyncio.run(scenario())
    with database.transaction() as connection:
        seeds = {row.trace_id: row.seed for row in connection.execute(sa.select(REQUESTS).order_by("started_at"))}
    assert {seeds[row["trace_id"]] for row in rows_of(database)} == {1}


def test_of_two_submissions_at_once_with_other_settings_the_first_is_refused(tmp_path, database):
    first, second = campaign_settings(seed=0), campaign_settings(seed=1)
    began = {"owner": "anna", "version": 3, "candidate_id": "c3"}
    overtaken, newest = (submitting.begin(database, plan, **began) for plan in (first, second))
    sealer = open_sealer(tmp_path)
    submitting.add_rows(database, newest, sealer, rendered(second, 2), first_place=0)
    with pytest.raises(ConflictError, match="other settings"):
        submitting.add_rows(database, overtaken, sealer, rendered(first, 2), first_place=0)
    with pytest.raises(ConflictError, match="other settings"):
        submitting.start(database, overtaken, lambda *_: None, rejects={}, expected_seconds=None)
    assert [row["row_sha256"] for row in rows_of(database)] == [row.row_sha256 for row in rendered(second, 2)]


def test_a_campaign_ends_when_the_last_version_of_its_voice_is_taken_out_of_service(tmp_path, database, engine):
    engine.seconds = 0.05
    plan = campaign_settings()

    async def scenario():
        async with running_node(tmp_path, database, engine) as service:
            campaign = (await submit(service, plan, rendered(plan, 64))).campaign
            await first_done(database)
            await service.pause(campaign.id)
            engine.refusal = NotInServiceError("sample has no version in service")
            return await wait_for(service, campaign.id, "cancelled", seconds=5)

    assert asyncio.run(scenario()).error_message == "sample has no version in service"


def test_a_cancellation_while_rows_are_submitted_is_kept(tmp_path, database, engine):
    plan = campaign_settings()
    rows = rendered(plan, 300)

    async def scenario():
        async with running_node(tmp_path, database, engine) as service:

            async def cancelled_in_the_middle():
                async for row in stream(rows):
                    if row is rows[260]:
                        await service.cancel(rows_of(database)[0]["campaign_id"])
                    yield row

            submitted = await service.submit(
                plan, cancelled_in_the_middle(), owner="anna", version=3, candidate_id="c3"
            )
            assert submitted.campaign.state == "cancelled"
            await asyncio.sleep(1)
            assert (spoken(engine), states(database)) == (0, {"cancelled": 300})
            small = rendered(plan, 300)[:3]
            assert (await submit(service, plan, small)).campaign.state == "running"
            await wait_for(service, submitted.campaign.id, "done")

    asyncio.run(scenario())
    assert states(database) == {"done": 3, "cancelled": 297}


def test_a_file_that_arrived_without_an_answer_is_not_spoken_or_kept_twice(tmp_path, database, engine, monkeypatch):
    put, n_lost = FolderStore.put_if_absent, [3]

    def losing(self, *arguments, **named):
        found = put(self, *arguments, **named)
        if n_lost[0]:
            n_lost[0] -= 1
            raise StorageUnreachableError("the store does not answer")
        return found

    monkeypatch.setattr(FolderStore, "put_if_absent", losing)
    plan = campaign_settings()

    async def scenario():
        async with running_node(tmp_path, database, engine) as service:
            campaign = (await submit(service, plan, rendered(plan, 6))).campaign
            await wait_for(service, campaign.id, "done")

    asyncio.run(scenario())
    assert (states(database), spoken(engine)) == ({"done": 6}, 6)
    assert len(list((tmp_path / "results/campaigns").rglob("*.wav"))) == 6


def test_a_campaign_whose_key_was_lost_is_spoken_when_it_is_submitted_again(tmp_path, database, engine, monkeypatch):
    plan = campaign_settings()
    DBOS.migrate(database.uri)
    start_campaign(tmp_path, database, plan, rendered(plan, 3))
    monkeypatch.setenv(CONTENT_KEY, base64.b64encode(bytes(32)).decode())

    async def scenario():
        async with running_node(tmp_path, database, engine) as service:
            campaign_id = rows_of(database)[0]["campaign_id"]
            await wait_for(service, campaign_id, "done")
            assert {row["error_type"] for row in rows_of(database)} == {"sealed_content"}
            assert (await submit(service, plan, rendered(plan, 3))).n_same == 3
            await wait_for(service, campaign_id, "done")

    asyncio.run(scenario())
    assert states(database) == {"done": 3}


def test_a_campaign_whose_files_were_deleted_is_spoken_again_when_it_is_submitted_again(tmp_path, database, engine):
    plan = campaign_settings()

    async def scenario():
        async with running_node(tmp_path, database, engine) as service:
            campaign = (await submit(service, plan, rendered(plan, 3))).campaign
            await wait_for(service, campaign.id, "done")
            await service.cancel(campaign.id, delete=True)
            assert not list((tmp_path / "results/campaigns").rglob("*.wav"))
            assert (await submit(service, plan, rendered(plan, 3))).campaign.state == "running"
            await wait_for(service, campaign.id, "done")

    asyncio.run(scenario())
    assert len(list((tmp_path / "results/campaigns").rglob("*.wav"))) == 3
    assert [row["deleted_at"] for row in rows_of(database)] == [None] * 3


@pytest.mark.parametrize("deletes", [False, True])
def test_a_revocation_after_the_end_deletes_what_was_delivered_if_asked(tmp_path, database, engine, deletes):
    plan = campaign_settings(delivery={"delete_on_revocation": deletes})

    async def scenario():
        async with running_node(tmp_path, database, engine) as service:
            campaign = (await submit(service, plan, rendered(plan, 3))).campaign
            await wait_for(service, campaign.id, "done")
            engine.refusal = RevokedError("the consent to the voice sample was revoked")
            await service.sweep()

    asyncio.run(scenario())
    assert len(list((tmp_path / "results/campaigns").rglob("*.wav"))) == (0 if deletes else 3)


def test_texts_of_a_submission_long_after_the_end_are_not_deleted(tmp_path, database, engine):
    plan = campaign_settings(keep_variables_days=1)
    later = datetime.now(UTC) + timedelta(days=2)

    async def scenario():
        async with running_node(tmp_path, database, engine) as service:
            await wait_for(service, (await submit(service, plan, rendered(plan, 1))).campaign.id, "done")

    asyncio.run(scenario())
    campaign = submitting.begin(database, plan, owner="anna", version=3, candidate_id="c3")
    with database.transaction() as connection:
        connection.execute(sa.update(CAMPAIGNS).values(submitted_at=later))
    submitting.add_rows(database, campaign, open_sealer(tmp_path), rendered(plan, 2), first_place=0)
    assert control.delete_old_contents(database, later + timedelta(hours=1)) == []
    assert [row["content"] is None for row in rows_of(database)] == [False, False]
    assert control.delete_old_contents(database, later + timedelta(days=2)) != []
    assert [row["content"] is None for row in rows_of(database)] == [True, True]


def test_a_retry_leaves_a_paused_campaign_paused(tmp_path, database, engine):
    engine.outcome, engine.seconds = "too_long", 0.02
    plan = campaign_settings()

    async def scenario():
        async with running_node(tmp_path, database, engine) as service:
            campaign = (await submit(service, plan, rendered(plan, 60))).campaign
            while not states(database)["needs_review"]:
                await asyncio.sleep(0.02)
            await service.pause(campaign.id)
            while states(database)["running"]:
                await asyncio.sleep(0.02)
            paused, n_rows = await service.retry(campaign.id)
            assert (paused.state, n_rows > 0, states(database)) == ("paused", True, {"queued": 60})
            engine.outcome = "spoken"
            await service.resume(campaign.id)
            await wait_for(service, campaign.id, "done")

    asyncio.run(scenario())
    assert states(database) == {"done": 60}


def test_a_store_that_hangs_does_not_hold_up_a_revocation_or_keep_a_late_file(tmp_path, database, engine, monkeypatch):
    answers, put, sent, arrived = threading.Event(), FolderStore.put_if_absent, [], []

    def hanging(self, file, **named):
        kept = Path(shutil.copy(file, tmp_path / f"sent-{secrets.token_hex(4)}"))
        sent.append(kept)
        answers.wait(30)
        arrived.append(put(self, kept, **named))
        return arrived[-1]

    monkeypatch.setattr(FolderStore, "put_if_absent", hanging)
    plan = campaign_settings()

    async def scenario():
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2))
        async with running_node(tmp_path, database, engine) as service:
            campaign = (await submit(service, plan, rendered(plan, 3))).campaign
            while len(sent) < 3:
                await asyncio.sleep(0.05)
            engine.refusal = RevokedError("the consent to the voice sample was revoked")
            await wait_for(service, campaign.id, "cancelled", seconds=5)

    async def sweep():
        async with running_node(tmp_path, database, engine) as service:
            await service.sweep()

    asyncio.run(scenario())
    answers.set()
    while len(arrived) < 3:
        time.sleep(0.05)
    assert states(database) == {"cancelled": 3}
    assert len(list((tmp_path / "results/campaigns").rglob("*.wav"))) == 3
    asyncio.run(sweep())
    assert not list((tmp_path / "results/campaigns").rglob("*.wav"))


@pytest.mark.parametrize("error", [StorageUnreachableError("away"), OSError(28, "No space left"), RuntimeError("?")])
def test_a_watch_that_ends_with_an_error_is_called_again(error):
    calls = []

    async def watch():
        calls.append(1)
        raise error

    async def scenario():
        task = asyncio.create_task(_repeat(watch, 0.01))
        await asyncio.sleep(0.2)
        task.cancel()

    asyncio.run(scenario())
    assert len(calls) > 2

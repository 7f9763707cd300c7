"""A campaign from its rows to delivered files: once per recipient, whatever is changed, paused or retried."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter

import av
import pytest
import sqlalchemy as sa
from campaign_nodes import (
    campaign_settings,
    rendered,
    rows_of,
    running_node,
    start_campaign,
    submit,
    wait_for,
)
from dbos import DBOS
from job_helpers import SmallEngine

from serving.errors import ConflictError, RevokedError, UnknownVoiceError
from serving.tables import REQUESTS


def audited(database) -> list:
    with database.transaction() as connection:
        return list(connection.execute(sa.select(REQUESTS)).mappings())


def spoken(engine) -> int:
    return sum(line.startswith("begin") for line in engine.log.read_text().splitlines()) if engine.log.exists() else 0


@pytest.fixture
def engine(tmp_path):
    return SmallEngine(log=tmp_path / "log")


async def run_to_end(folder, database, engine, plan, rows):
    async with running_node(folder, database, engine) as service:
        submitted = await submit(service, plan, rows)
        return submitted, await wait_for(service, submitted.campaign.id, "done")


def test_every_recipient_has_one_file_one_row_and_one_row_of_the_audit(tmp_path, database, engine):
    plan = campaign_settings()
    submitted, campaign = asyncio.run(run_to_end(tmp_path, database, engine, plan, rendered(plan, 70)))
    assert (submitted.n_new, submitted.n_changed, submitted.n_same) == (70, 0, 0)
    rows = rows_of(database)
    assert Counter(row["state"] for row in rows) == {"done": 70}
    for row in rows:
        file = tmp_path / "results" / row["object_key"]
        assert hashlib.sha256(file.read_bytes()).hexdigest() == row["sha256"]
        assert row["seconds"] > 0
    assert len(list((tmp_path / "results/campaigns").rglob("*.wav"))) == 70
    assert len({row["request_id"] for row in audited(database)}) == len(audited(database)) == 70
    assert {row["trace_id"] for row in audited(database)} == {row["trace_id"] for row in rows}
    assert campaign.version == 3


def test_a_file_says_its_campaign_its_voice_and_that_a_machine_speaks(tmp_path, database, engine):
    plan = campaign_settings(format="flac")
    _, campaign = asyncio.run(run_to_end(tmp_path, database, engine, plan, rendered(plan, 1)))
    with av.open(tmp_path / "results" / rows_of(database)[0]["object_key"]) as file:
        assert file.metadata["title"] == campaign.name and file.metadata["artist"] == plan.voice
        assert file.metadata["comment"] == "Spoken by an AI voice, version 3"


def test_started_again_it_speaks_nothing_and_one_changed_row_is_spoken_alone(tmp_path, database, engine):
    plan = campaign_settings()
    asyncio.run(run_to_end(tmp_path, database, engine, plan, rendered(plan, 40)))
    before = {row["recipient_id"]: row["object_key"] for row in rows_of(database)}
    again, _ = asyncio.run(run_to_end(tmp_path, database, engine, plan, rendered(plan, 40)))
    assert again.n_same == 40
    assert spoken(engine) == 40
    changed, _ = asyncio.run(run_to_end(tmp_path, database, engine, plan, rendered(plan, 40, changed=[7])))
    assert (changed.n_changed, changed.n_same) == (1, 39)
    assert spoken(engine) == 41
    after = {row["recipient_id"]: row["object_key"] for row in rows_of(database)}
    assert {name for name in after if after[name] != before[name]} == {"r-7"}
    assert not (tmp_path / "results" / before["r-7"]).exists()


def test_a_paused_campaign_claims_nothing_and_goes_on_when_it_is_resumed(tmp_path, database, engine):
    engine.seconds = 0.1
    plan = campaign_settings()

    async def scenario():
        async with running_node(tmp_path, database, engine) as service:
            campaign = (await submit(service, plan, rendered(plan, 200))).campaign
            while not any(row["state"] == "done" for row in rows_of(database)):
                await asyncio.sleep(0.02)
            await service.pause(campaign.id)
            while any(row["state"] == "running" for row in rows_of(database)):
                await asyncio.sleep(0.02)
            n_begun = spoken(engine)
            await asyncio.sleep(0.5)
            assert spoken(engine) == n_begun < 200
            resumed, again = [await service.resume(campaign.id) for _ in range(2)]  # the first answer can be lost
            assert (again.state, again.run) == ("running", resumed.run)
            await wait_for(service, campaign.id, "done")
            with pytest.raises(ConflictError):
                await service.resume(campaign.id)

    asyncio.run(scenario())
    assert spoken(engine) == 200
    assert Counter(row["state"] for row in rows_of(database)) == {"done": 200}


def test_rows_that_need_a_review_are_not_delivered_and_are_spoken_again_by_a_retry(tmp_path, database, engine):
    engine.outcome = "too_long"
    plan = campaign_settings()

    async def scenario():
        async with running_node(tmp_path, database, engine) as service:
            campaign = (await submit(service, plan, rendered(plan, 3))).campaign
            await wait_for(service, campaign.id, "done")
            rows = rows_of(database)
            assert {row["state"] for row in rows} == {"needs_review"}
            assert all(row["object_key"].startswith("review/") and "too_long" in row["error_message"] for row in rows)
            engine.outcome = "spoken"
            _, n_rows = await service.retry(campaign.id)
            assert n_rows == 3
            await wait_for(service, campaign.id, "done")

    asyncio.run(scenario())
    assert {row["state"] for row in rows_of(database)} == {"done"}
    assert not list((tmp_path / "results/review").rglob("*.wav"))


@pytest.mark.parametrize("deletes", [False, True])
def test_a_revocation_in_the_middle_stops_the_delivery(tmp_path, database, engine, deletes):
    engine.seconds = 0.05
    plan = campaign_settings(delivery={"delete_on_revocation": deletes})

    async def scenario():
        async with running_node(tmp_path, database, engine) as service:
            campaign = (await submit(service, plan, rendered(plan, 64))).campaign
            while not any(row["state"] == "done" for row in rows_of(database)):
                await asyncio.sleep(0.02)
            engine.refusal = RevokedError("the consent to the voice sample was revoked")
            stopped = await wait_for(service, campaign.id, "cancelled", seconds=5)
            assert stopped.error_type == "revoked"
            delivered = [row for row in rows_of(database) if row["state"] == "done"]
            with pytest.raises(RevokedError):
                await submit(service, plan, rendered(plan, 64))
            with pytest.raises(RevokedError):
                await service.retry(campaign.id)
            await asyncio.sleep(1.5)
            return delivered

    delivered = asyncio.run(scenario())
    states = Counter(row["state"] for row in rows_of(database))
    assert states["done"] == len(delivered) < 64 and states["cancelled"] == 64 - states["done"]
    files = list((tmp_path / "results/campaigns").rglob("*.wav"))
    assert len(files) == (0 if deletes else len(delivered))


def test_the_texts_are_encrypted_and_deleted_after_their_time(tmp_path, database, engine):
    plan = campaign_settings(keep_variables_days=1e-9)

    async def scenario():
        async with running_node(tmp_path, database, engine) as service:
            campaign = (await submit(service, plan, rendered(plan, 2))).campaign
            await wait_for(service, campaign.id, "done")
            assert b"Hello" not in b"".join(path.read_bytes() for path in tmp_path.glob("serving.db*"))
            await service.sweep()
            engine.outcome = "too_long"
            await submit(service, plan, rendered(plan, 2, changed=[0]))
            await wait_for(service, campaign.id, "done")
            await service.sweep()
            with pytest.raises(ConflictError, match="deleted after their time"):
                await service.retry(campaign.id)

    asyncio.run(scenario())
    assert [row["content"] for row in rows_of(database)] == [None, None]
    assert (tmp_path / ".vox/campaign_key").stat().st_mode & 0o077 == 0


def test_a_node_that_does_not_serve_the_voice_leaves_its_rows_to_another(tmp_path, database, engine, monkeypatch):
    monkeypatch.setattr("campaigns.execution.slices.HAND_BACK_SECONDS", 0.1)
    plan = campaign_settings()
    DBOS.migrate(database.uri)
    start_campaign(tmp_path, database, plan, rendered(plan, 3))
    engine.refusal = UnknownVoiceError("no voice 'sample' is served")

    async def scenario():
        async with running_node(tmp_path, database, engine) as service:
            await asyncio.sleep(2)
            assert Counter(row["state"] for row in rows_of(database)) == {"queued": 3}
            engine.refusal = None
            await wait_for(service, rows_of(database)[0]["campaign_id"], "done")

    asyncio.run(scenario())
    assert Counter(row["state"] for row in rows_of(database)) == {"done": 3}

"""Which files and rows a campaign keeps: those of its newest list, and no others."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter

import pytest
import sqlalchemy as sa
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

from campaigns.execution import control, submitting
from serving.errors import CertificateEndedError, LanguageNotServedError
from serving.tables import REQUESTS


def files_of(folder, suffix: str) -> list[str]:
    return sorted(path.name for path in (folder / "results").rglob(f"*{suffix}"))


@pytest.mark.parametrize("state", ["cancelled", "needs_review"])
def test_a_recipient_whom_a_newer_list_leaves_out_is_not_spoken_by_a_retry(tmp_path, database, state):
    plan = campaign_settings()
    DBOS.migrate(database.uri)
    start_campaign(tmp_path, database, plan, rendered(plan, 3))
    if state == "cancelled":
        control.stop(database, find_campaign(database).id, "cancelled")
    else:
        asyncio.run(run_to_end(tmp_path, database, SmallEngine(outcome="too_long"), plan, rendered(plan, 3)))
    start_campaign(tmp_path, database, plan, rendered(plan, 1))
    control.retry(database, find_campaign(database).id, lambda *_: None)
    assert [row["state"] for row in rows_of(database)] == ["queued", "cancelled", "cancelled"]


async def run_to_end(folder, database, engine, plan, rows, **parts):
    async with running_node(folder, database, engine, **parts) as service:
        submitted = await submit(service, plan, rows)
        return await wait_for(service, submitted.campaign.id, "done")


@pytest.mark.parametrize("deletes", [False, True])
def test_the_file_before_a_change_is_kept_until_the_new_one_is_there_or_all_are_deleted(tmp_path, database, deletes):
    plan, engine = campaign_settings(), SmallEngine()
    asyncio.run(run_to_end(tmp_path, database, engine, plan, rendered(plan, 1)))
    before = files_of(tmp_path, ".wav")
    engine.errors.append(LanguageNotServedError("the voice was not judged in this language"))
    asyncio.run(run_to_end(tmp_path, database, engine, plan, rendered(plan, 1, changed=[0])))
    assert (rows_of(database)[0]["state"], files_of(tmp_path, ".wav")) == ("failed", before)

    async def scenario():
        async with running_node(tmp_path, database, engine) as service:
            campaign = find_campaign(database)
            if deletes:
                await service.cancel(campaign.id, delete=True)
                return
            await service.retry(campaign.id)
            await wait_for(service, campaign.id, "done")

    asyncio.run(scenario())
    after = files_of(tmp_path, ".wav")
    assert (len(after), before == after) == (0 if deletes else 1, False)


class MarkBeside:
    """Stands for a mark that a format cannot hold."""

    def __init__(self, n_ended: int = 0) -> None:
        self.n_ended = n_ended

    def require_valid(self) -> None:
        self.n_ended -= 1
        if self.n_ended >= 0:
            raise CertificateEndedError("the certificate has ended", retry_after=0.1)

    def __call__(self, file, form, request, started, created_at) -> bytes:
        return hashlib.sha256(file.read_bytes()).hexdigest().encode()


def test_no_row_is_spoken_while_the_certificate_that_marks_it_has_ended(tmp_path, database):
    plan, engine = campaign_settings(), SmallEngine(log=tmp_path / "log")
    asyncio.run(run_to_end(tmp_path, database, engine, plan, rendered(plan, 3), mark=MarkBeside(n_ended=6)))
    assert Counter(row["state"] for row in rows_of(database)) == {"done": 3}
    assert sum(line.startswith("begin") for line in engine.log.read_text().splitlines()) == 3


def test_the_mark_beside_a_file_goes_with_it(tmp_path, database):
    plan, engine = campaign_settings(), SmallEngine()
    asyncio.run(run_to_end(tmp_path, database, engine, plan, rendered(plan, 3), mark=MarkBeside()))
    assert len(files_of(tmp_path, ".json")) == 3
    asyncio.run(run_to_end(tmp_path, database, engine, plan, rendered(plan, 3, changed=[1]), mark=MarkBeside()))
    rows = rows_of(database)
    assert Counter(row["state"] for row in rows) == {"done": 3}
    marks = {str(path.relative_to(tmp_path / "results")) for path in (tmp_path / "results").rglob("*.json")}
    assert marks == {row["sidecar_key"] for row in rows}


def test_a_submission_that_is_killed_leaves_no_row_to_be_spoken_by_its_settings(tmp_path, database):
    plan, other = campaign_settings(), campaign_settings(seed=1)
    DBOS.migrate(database.uri)
    start_campaign(tmp_path, database, plan, rendered(plan, 3))
    submitting.begin(database, other, owner="anna", version=3, candidate_id="c3")  # and no more

    async def scenario():
        async with running_node(tmp_path, database, SmallEngine()) as service:
            await asyncio.sleep(1.5)
            assert Counter(row["state"] for row in rows_of(database)) == {"queued": 3}
            await submit(service, plan, rendered(plan, 3))
            await wait_for(service, find_campaign(database).id, "done")

    asyncio.run(scenario())
    with database.transaction() as connection:
        assert set(connection.scalars(sa.select(REQUESTS.c.seed))) == {0}


def test_rows_have_the_order_of_the_newest_list(tmp_path, database):
    plan = campaign_settings()
    DBOS.migrate(database.uri)
    start_campaign(tmp_path, database, plan, rendered(plan, 3))
    start_campaign(tmp_path, database, plan, list(reversed(rendered(plan, 4))))
    assert [row["recipient_id"] for row in rows_of(database)] == ["r-3", "r-2", "r-1", "r-0"]

"""Rows of campaigns, and a node that works on them with a small engine in a process of its own."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import sqlalchemy as sa
from job_helpers import ROOT, SmallEngine, settings

from campaigns.database import migrate_campaigns
from campaigns.execution import control, submitting
from campaigns.execution.plan import QUEUE, WORKFLOW, Campaign
from campaigns.execution.sealing import open_sealer
from campaigns.execution.service import CampaignService
from campaigns.execution.submitting import Submitted
from campaigns.records import CampaignSettings, RenderedRow, row_sha256
from campaigns.tables import ROWS
from serving.database import SETTING, Database, open_database
from serving.jobs.durable import DurableQueue
from serving.jobs.service import JobService
from serving.storage.objects import open_object_store
from stages.execution.processes import die_with_parent

OWNER = "anna"
STORE = "VOXFOUNDRY_TEST_STORE"
CANDIDATE = "c3"
VERSION = 3


def campaign_settings(**changes: object) -> CampaignSettings:
    """Return the settings of a campaign of WAV files that no judge hears."""
    raw = {
        "name": "spring",
        "voice": "sample",
        "purpose": "announcements",
        "template": "Hello {{ name }}.",
        "format": "wav",
        "quality": {"share": 0.0},
        "max_attempts": 10,
    }
    return CampaignSettings.model_validate(raw | changes)


def rendered(
    plan: CampaignSettings, n_rows: int, *, text: str = "Hello number {}. Good bye.", changed: Sequence[int] = ()
) -> list[RenderedRow]:
    """Return rows that are ready to be spoken.

    Args:
        plan: Settings of their campaign.
        n_rows: How many.
        text: With the place of the row.
        changed: Places whose text differs from what this function returns without it.
    """
    rows = []
    for place in range(n_rows):
        said = text.format(place) + (" Once more." if place in changed else "")
        identity = {"recipient_id": f"r-{place}", "text": said, "language": "en", "words": ()}
        rows.append(
            RenderedRow(
                line=place + 2,
                sentences=(said,),
                opt_in_reference=f"form {place}",
                seconds=1.0,
                row_sha256=row_sha256(plan, CANDIDATE, **identity),
                **identity,
            )
        )
    return rows


async def stream(rows: Sequence[RenderedRow]) -> AsyncIterator[RenderedRow]:
    for row in rows:
        yield row


async def submit(service: CampaignService, plan: CampaignSettings, rows: Sequence[RenderedRow]) -> Submitted:
    return await service.submit(plan, stream(rows), owner=OWNER, version=VERSION, candidate_id=CANDIDATE)


@asynccontextmanager
async def running_node(
    folder: Path, database: Database, engine: SmallEngine, *, store: str | None = None, **parts: object
) -> AsyncIterator[CampaignService]:
    """Run jobs and campaigns in this process, as `vox serve` does."""
    objects = open_object_store(store or "folder:results", root=folder)
    service = CampaignService(database, engine, objects, settings(), folder, **parts)
    jobs = JobService(database, objects, engine, settings(), others=[service.work])
    service.start(jobs.queue)
    await jobs.start()
    try:
        while not jobs.is_started:
            await asyncio.sleep(0.05)
        yield service
    finally:
        await service.close()
        await jobs.close()


@asynccontextmanager
async def idle_node(folder: Path, database: Database, engine: SmallEngine) -> AsyncIterator[CampaignService]:
    """Yield the campaigns of a node that has a heartbeat. It takes no work from DBOS, so a test can give it some."""
    objects = open_object_store("folder:results", root=folder)
    service = CampaignService(database, engine, objects, settings(), folder)
    queue = DurableQueue(database, lambda _: None, n_at_once=1, others=[service.work])
    queue.start()
    service.start(queue)
    try:
        yield service
    finally:
        await service.close()
        queue.close()


def open_tables(folder: Path, uri: str) -> Database:
    """Return a migrated database with the tables of campaigns."""
    database = open_database(folder, {SETTING: uri})
    database.migrate()
    migrate_campaigns(database)
    return database


async def wait_for(service: CampaignService, campaign_id: str, *states: str, seconds: float = 30) -> Campaign:
    """Return a campaign once it is in one of these states."""
    end = time.monotonic() + seconds
    while True:
        campaign = await service.find(campaign_id, None)
        if campaign.state in states:
            return campaign
        assert time.monotonic() < end, f"the campaign is {campaign.state}: {campaign.error_message}"
        await asyncio.sleep(0.05)


def rows_of(database: Database, **where: object) -> list[sa.RowMapping]:
    """Return the rows of all campaigns in their order."""
    chosen = sa.select(ROWS).filter_by(**where).order_by(ROWS.c.campaign_id, ROWS.c.place)
    with database.transaction() as connection:
        return list(connection.execute(chosen).mappings())


def find_campaign(database: Database) -> Campaign:
    return control.find_all(database)[0]


def start_campaign(folder, database, plan, rows) -> None:
    """Submit a campaign as an API that works on none itself."""
    queue = DurableQueue(database, lambda _: None, n_at_once=1)

    def enqueue(connection, work_id):
        queue.enqueue_work(connection, work_id, workflow=WORKFLOW, queue=QUEUE)

    campaign = submitting.begin(database, plan, owner=OWNER, version=VERSION, candidate_id=CANDIDATE)
    submitting.add_rows(database, campaign, open_sealer(folder), rows, first_place=0)
    submitting.start(database, campaign, enqueue, rejects={}, expected_seconds=None)


def start_node(folder: Path, uri: str, *, seconds: float, store: str = "folder:results") -> subprocess.Popen:
    """Start a process that works on campaigns.

    Args:
        folder: Of the project.
        uri: Of the database.
        seconds: How long a sentence takes.
        store: Where files are put.
    """
    errors = (folder / "errors").open("a")
    return subprocess.Popen(
        [sys.executable, __file__, str(folder), str(seconds), store],
        env=os.environ | {SETTING: uri, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests"), *sys.path])},
        stderr=errors,
        preexec_fn=die_with_parent,
    )


async def _run_node(folder: Path, seconds: float, store: str) -> None:
    engine = SmallEngine(seconds=seconds, log=folder / "log")
    async with running_node(folder, open_database(folder), engine, store=store):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_run_node(Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3]))

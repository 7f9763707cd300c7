"""The process of `vox campaign run`: it speaks rows of its voice, and leaves everything else to others."""

from __future__ import annotations

import asyncio
import hashlib
from types import SimpleNamespace

import pytest
from campaign_nodes import open_tables
from dbos import DBOS
from job_helpers import WISH, SmallEngine, make_jobs, settings, wait_for

from campaigns.node import open_node
from serving.jobs import store
from serving.jobs.durable import DurableQueue
from serving.jobs.records import Submission


class Client(SmallEngine):
    """A small engine in the place of the one with worker processes."""

    def __init__(self, *_: object) -> None:
        super().__init__()

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass


@pytest.fixture
def database(tmp_path, monkeypatch):
    uri = f"sqlite:///{tmp_path / 'serving.db'}"
    monkeypatch.setenv("VOXFOUNDRY_SERVING_DATABASE_URI", uri)
    opened = open_tables(tmp_path, uri)
    yield opened
    opened.close()


def test_it_takes_no_job_which_could_want_another_voice(tmp_path, database, monkeypatch):
    monkeypatch.setattr("campaigns.node.EngineClient", Client)
    DBOS.migrate(database.uri)
    job_id = f"job_{hashlib.sha256(b'job').hexdigest()[:32]}"
    submission = Submission(
        id=job_id,
        owner="anna",
        wish=WISH,
        texts=("Good morning.",),
        idempotency_key=None,
        fingerprint="0" * 64,
        traceparent=None,
    )
    store.submit(database, submission, DurableQueue(database, lambda _: None, n_at_once=1).enqueue)

    async def of_a_campaign():
        async with open_node(settings(), SimpleNamespace(root=tmp_path), voices=["sample"], judges=None):
            await asyncio.sleep(1.5)
        return store.find(database, job_id).state

    async def of_the_service():
        jobs = make_jobs(database, tmp_path / "results", SmallEngine())
        await jobs.start()
        try:
            await wait_for(jobs, job_id, "done")
        finally:
            await jobs.close()

    assert asyncio.run(of_a_campaign()) == "queued"
    asyncio.run(of_the_service())

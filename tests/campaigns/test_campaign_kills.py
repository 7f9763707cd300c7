"""What kill -9 can do to a campaign: every recipient is once in the store, in the table and in the audit."""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections import Counter

import httpx
import pytest
import sqlalchemy as sa
from campaign_nodes import (
    campaign_settings,
    find_campaign,
    open_tables,
    rendered,
    rows_of,
    running_node,
    start_campaign,
    start_node,
    submit,
)
from job_helpers import SmallEngine
from serving_database import DATABASES, database_uri

from serving.storage.objects import open_object_store
from serving.tables import REQUESTS


def wait_until(condition, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.05)


def has_queues(database) -> bool:
    with database.transaction() as connection:
        schema = None if database.is_sqlite else "dbos"
        if not sa.inspect(connection).has_table("queues", schema=schema):
            return False
        place = "queues" if schema is None else "dbos.queues"
        return (connection.scalar(sa.text(f"SELECT count(*) FROM {place}")) or 0) >= 2


def check_once(database, folder, n_rows: int) -> None:
    """Every row is done, and has one whole file and one row of the audit."""
    rows = rows_of(database)
    assert Counter(row["state"] for row in rows) == {"done": n_rows}
    files = {str(path.relative_to(folder / "results")) for path in (folder / "results/campaigns").rglob("*.wav")}
    assert files == {row["object_key"] for row in rows}
    assert len(files) == n_rows
    for row in rows:
        assert hashlib.sha256((folder / "results" / row["object_key"]).read_bytes()).hexdigest() == row["sha256"]
    with database.transaction() as connection:
        audit = Counter(connection.scalars(sa.select(REQUESTS.c.request_id)))
    assert set(audit.values()) == {1}
    assert len(audit) == n_rows


@pytest.mark.slow
@pytest.mark.parametrize("kind", DATABASES)
def test_two_hundred_recipients_survive_twenty_kills(kind, tmp_path, request):
    chance = random.Random(17)
    uri = database_uri(kind, tmp_path, request)
    database = open_tables(tmp_path, uri)
    plan = campaign_settings()
    nodes = [start_node(tmp_path, uri, seconds=0.25) for _ in range(2)]
    wait_until(lambda: has_queues(database), 60)
    start_campaign(tmp_path, database, plan, rendered(plan, 200))
    for _ in range(20):
        time.sleep(chance.uniform(0.3, 1.5))
        place = chance.randrange(2)
        nodes[place].kill()
        nodes[place].wait()
        nodes[place] = start_node(tmp_path, uri, seconds=0.25)
    wait_until(lambda: find_campaign(database).state == "done", 90)
    for node in nodes:
        node.kill()
        node.wait()
    check_once(database, tmp_path, 200)
    engine = SmallEngine(log=tmp_path / "again")

    async def start_again() -> None:
        async with running_node(tmp_path, database, engine) as service:
            submitted = await submit(service, plan, rendered(plan, 200))
            assert (submitted.n_same, submitted.campaign.state) == (200, "done")

    asyncio.run(start_again())
    assert not engine.log.exists()
    check_once(database, tmp_path, 200)
    database.close()


@pytest.mark.slow
def test_two_nodes_on_postgresql_deliver_into_a_bucket(tmp_path, request, s3_server, monkeypatch):
    for name, value in s3_server.settings().items():
        monkeypatch.setenv(name, value)
    place = f"s3://voxfoundry/{tmp_path.name}"
    uri = database_uri("PostgreSQL", tmp_path, request)
    database = open_tables(tmp_path, uri)
    plan = campaign_settings(format="mp3")
    nodes = [start_node(tmp_path, uri, seconds=0.1, store=place) for _ in range(2)]
    wait_until(lambda: has_queues(database), 60)
    start_campaign(tmp_path, database, plan, rendered(plan, 100))
    wait_until(lambda: find_campaign(database).state == "done", 60)
    for node in nodes:
        node.kill()
        node.wait()
    log = (tmp_path / "log").read_text().splitlines()
    assert len({line.split()[2] for line in log}) == 2  # both nodes have spoken
    objects = open_object_store(place, root=tmp_path)
    rows = rows_of(database)
    assert Counter(row["state"] for row in rows) == {"done": 100}
    assert len({row["object_key"] for row in rows}) == 100
    for row in rows[::10]:
        assert hashlib.sha256(b"".join(objects.open(row["object_key"]))).hexdigest() == row["sha256"]
    answer = httpx.get(objects.signed_url(rows[0]["object_key"], seconds=60))
    assert answer.headers["content-type"] == "audio/mpeg"
    assert "immutable" in answer.headers["cache-control"]
    database.close()

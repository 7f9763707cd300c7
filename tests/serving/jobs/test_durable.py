"""What kills, outages and forgers can do to jobs: nothing is lost, nothing is spoken twice, nothing is unpickled."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import pickle
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from dbos import DBOS
from dbos._sys_db import SystemDatabase
from hypothesis import given
from hypothesis import strategies as st
from job_helpers import WISH, SmallEngine, make_jobs, start_node, wait_for
from postgres_server import running_postgres
from serving_database import DATABASES, database_uri

from serving.database import SETTING, open_database
from serving.errors import DatabaseUnreachableError
from serving.jobs import store
from serving.jobs.durable import (
    BEATS_OF_DEATH,
    JSON,
    QUEUE,
    WORKFLOW,
    DurableQueue,
    PickleRefusedError,
    StandstillDetector,
)
from serving.jobs.records import Submission
from serving.tables import JOB_ITEMS, JOBS


def n_done(database) -> int:
    with database.transaction() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(JOBS).where(JOBS.c.state == "done"))


def wait_until(condition, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.05)


def log_of(folder: Path) -> list[tuple[str, str, int, float]]:
    lines = (folder / "log").read_text().splitlines() if (folder / "log").is_file() else []
    return [(what, name, int(pid), float(moment)) for what, name, pid, moment in map(str.split, lines)]


def submit_many(database, folder, n_jobs: int) -> None:
    """Submit jobs as an API that runs none itself."""
    queue = DurableQueue(database, lambda _: None, n_at_once=1)
    for number in range(n_jobs):
        submission = Submission(
            id=f"job_{number:032x}",
            owner="anna",
            wish=WISH,
            texts=(f"Text number {number}.",),
            idempotency_key=None,
            fingerprint="0" * 64,
            traceparent=None,
        )
        store.submit(database, submission, queue.enqueue)


def check_results(database, folder, n_jobs: int) -> None:
    """Every job is done, has one result, and its file is whole."""
    with database.transaction() as connection:
        states = Counter(connection.scalars(sa.select(JOBS.c.state)))
        hashes = list(connection.scalars(sa.select(JOB_ITEMS.c.sha256)))
    assert states == {"done": n_jobs}
    assert len(set(hashes)) == n_jobs
    for sha256 in hashes:
        path = folder / "results" / sha256[:2] / sha256[2:]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == sha256


@pytest.mark.parametrize("kind", DATABASES)
def test_the_job_of_a_killed_node_is_taken_up_by_another_within_ten_seconds(kind, tmp_path, request):
    uri = database_uri(kind, tmp_path, request)
    database = open_database(tmp_path, {SETTING: uri})
    database.migrate()
    nodes = [start_node(tmp_path, uri, seconds=0.3, n_at_once=1) for _ in range(2)]
    wait_until(lambda: _has_tables_of_dbos(database), 60)
    submit_many(database, tmp_path, 12)
    victim = nodes[0].pid

    def works() -> bool:
        mine = [row for row in log_of(tmp_path) if row[2] == victim]
        return bool(mine) and mine[-1][0] == "begin"

    wait_until(works, 60)
    nodes[0].kill()
    nodes[0].wait()
    killed = time.time()
    name = [row for row in log_of(tmp_path) if row[2] == victim][-1][1]
    wait_until(lambda: n_done(database) == 12, 60)
    again = [row[3] for row in log_of(tmp_path) if row[:2] == ("begin", name) and row[3] > killed]
    nodes[1].kill()
    nodes[1].wait()
    assert 0 < min(again) - killed < 10
    check_results(database, tmp_path, 12)
    database.close()


def _has_tables_of_dbos(database) -> bool:
    with database.transaction() as connection:
        schema = None if database.is_sqlite else "dbos"
        inspector = sa.inspect(connection)
        if not inspector.has_table("queues", schema=schema):
            return False
        place = "queues" if schema is None else "dbos.queues"
        return bool(connection.scalar(sa.text(f"SELECT count(*) FROM {place}")))


@pytest.fixture
def crashing_database(request, tmp_path):
    """A database, and a function that crashes it and starts it again, None where it is a file."""
    if request.param == "SQLite":
        yield f"sqlite:///{tmp_path / 'serving.db'}", None
        return
    with running_postgres(synchronous_commit="on") as server:

        def crash() -> None:
            server.stop(crash=True)
            time.sleep(0.5)
            server.start()

        yield server.url(server.make_database()), crash


@pytest.mark.slow
@pytest.mark.parametrize("crashing_database", DATABASES, indirect=True)
def test_two_hundred_jobs_survive_twenty_kills_of_nodes_and_database(crashing_database, tmp_path):
    chance = random.Random(7)
    uri, crash = crashing_database
    database = open_database(tmp_path, {SETTING: uri})
    database.migrate()
    nodes = [start_node(tmp_path, uri, seconds=0.3, n_at_once=4) for _ in range(2)]
    wait_until(lambda: _has_tables_of_dbos(database), 60)
    submit_many(database, tmp_path, 200)
    for _ in range(20):
        time.sleep(chance.uniform(0.5, 2))
        place = chance.randrange(3 if crash else 2)
        if place == 2:
            crash()
            continue
        nodes[place].kill()
        nodes[place].wait()
        nodes[place] = start_node(tmp_path, uri, seconds=0.3, n_at_once=4)
    wait_until(lambda: n_done(database) == 200, 200)
    for node in nodes:
        node.kill()
        node.wait()
    check_results(database, tmp_path, 200)
    database.close()


def test_a_database_that_crashes_in_the_midst_of_jobs_loses_none(tmp_path):
    with running_postgres(synchronous_commit="on") as server:
        database = open_database(tmp_path, {SETTING: server.url(server.make_database())})
        database.migrate()

        async def story() -> None:
            jobs = make_jobs(database, tmp_path / "results", SmallEngine(seconds=0.2))
            await jobs.start()
            while not jobs.is_started:
                await asyncio.sleep(0.05)
            texts = [f"Text number {number}. And more." for number in range(10)]
            made = [
                (await jobs.submit(WISH, [text], owner="anna", idempotency_key=None, traceparent=None))[0]
                for text in texts
            ]
            await asyncio.sleep(0.7)
            server.stop(crash=True)
            with pytest.raises(DatabaseUnreachableError):
                await jobs.submit(WISH, ["One."], owner="anna", idempotency_key="k", traceparent=None)
            await asyncio.sleep(1)
            server.start()  # here, because the server dies with the thread that started it
            for job in made:
                await wait_for(jobs, job.id, "done", seconds=60)
            await jobs.close()

        asyncio.run(story())
        check_results(database, tmp_path, 10)
        database.close()


def test_a_job_whose_claim_was_kept_but_never_answered_is_done_by_the_same_node(
    serving_database, tmp_path, monkeypatch
):
    claim, answers = SystemDatabase.start_queued_workflows, []

    def lose_the_first_answer(*arguments, **named):
        found = claim(*arguments, **named)
        if found[0] and not answers:
            answers.append(found[0])
            raise sa.exc.OperationalError("COMMIT", {}, ConnectionError("the server closed the connection"))
        return found

    monkeypatch.setattr(SystemDatabase, "start_queued_workflows", lose_the_first_answer)

    async def story() -> None:
        jobs = make_jobs(serving_database, tmp_path / "results", SmallEngine())
        await jobs.start()
        while not jobs.is_started:
            await asyncio.sleep(0.05)
        job, _ = await jobs.submit(WISH, ["One."], owner="anna", idempotency_key=None, traceparent=None)
        await wait_for(jobs, job.id, "done", seconds=30)
        await jobs.close()

    asyncio.run(story())
    assert len(answers) == 1
    check_results(serving_database, tmp_path, 1)


def test_nodes_that_get_the_same_key_at_once_make_one_job(serving_database):
    DBOS.migrate(serving_database.uri)
    queue = DurableQueue(serving_database, lambda _: None, n_at_once=1)

    def submit(number: int) -> tuple[str, bool]:
        submission = Submission(
            id=f"job_{number:032x}",
            owner="anna",
            wish=WISH,
            texts=("One.",),
            idempotency_key="k",
            fingerprint="0" * 64,
            traceparent=None,
        )
        job, is_new = store.submit(serving_database, submission, queue.enqueue)
        return job.id, is_new

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(submit, range(40)))
    assert len({name for name, _ in answers}) == 1
    assert sum(is_new for _, is_new in answers) == 1


def test_a_pickle_in_the_tables_of_the_engine_is_not_read(tmp_path):
    database = open_database(tmp_path, {})
    database.migrate()
    target = tmp_path / "owned"

    class Forged:
        def __reduce__(self):
            return os.system, (f"touch {target}",)

    data = base64.b64encode(pickle.dumps({"args": (Forged(),), "kwargs": {}})).decode()

    async def story() -> None:
        jobs = make_jobs(database, tmp_path / "results", SmallEngine())
        await jobs.start()
        while not jobs.is_started:
            await asyncio.sleep(0.05)
        from dbos import DBOSClient

        client = DBOSClient(system_database_url=database.uri, serializer=JSON, application_name="voxfoundry")
        options = {"workflow_name": WORKFLOW, "queue_name": QUEUE, "app_version": "1", "delay_seconds": 2}
        name = (await client.enqueue_async(options, "x")).get_workflow_id()
        with database.transaction() as connection:
            for table in ("workflow_status", "workflow_input"):
                change = f"UPDATE {table} SET inputs = :data WHERE workflow_uuid = :name"
                connection.execute(sa.text(change), {"data": data, "name": name})
            forge = "UPDATE workflow_status SET serialization = 'py_pickle' WHERE workflow_uuid = :name"
            assert connection.execute(sa.text(forge), {"name": name}).rowcount == 1
        await asyncio.sleep(4)
        job, _ = await jobs.submit(WISH, ["One."], owner="anna", idempotency_key=None, traceparent=None)
        await wait_for(jobs, job.id, "done")
        client.destroy()
        await jobs.close()

    asyncio.run(story())
    assert not target.exists()
    database.close()


def test_the_reader_of_pickles_refuses():
    from dbos._serialization import DBOSDefaultSerializer

    with pytest.raises(PickleRefusedError):
        DBOSDefaultSerializer.deserialize(base64.b64encode(pickle.dumps(1)).decode())


def test_the_engine_is_given_the_id_of_a_job_and_no_text(tmp_path):
    database = open_database(tmp_path, {})
    database.migrate()

    async def story() -> None:
        jobs = make_jobs(database, tmp_path / "results", SmallEngine())
        await jobs.start()
        while not jobs.is_started:
            await asyncio.sleep(0.05)
        job, _ = await jobs.submit(WISH, ["Secret words."], owner="anna", idempotency_key=None, traceparent=None)
        await wait_for(jobs, job.id, "done")
        await jobs.close()

    asyncio.run(story())
    with database.transaction() as connection:
        for table in ("workflow_status", "workflow_input", "workflow_output", "operation_outputs"):
            assert "Secret" not in str(connection.execute(sa.text(f"SELECT * FROM {table}")).all())
    database.close()


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_a_node_is_dead_only_after_enough_looks_at_a_heartbeat_that_stands_still(beating):
    nodes, beats, n_same = StandstillDetector(), 0, None
    for beat in beating:
        beats += beat
        n_same = 0 if n_same is None or beat else n_same + 1
        assert nodes.look({"other": beats}) == (["other"] if n_same >= BEATS_OF_DEATH else [])

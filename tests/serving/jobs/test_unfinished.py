"""A job comes to its end although answers get lost, a try ends by a fault, or another attempt takes it and dies."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import asdict
from itertools import pairwise

import pytest
import sqlalchemy as sa
from job_helpers import WISH, SmallEngine, make_queues, submit, wait_for, working

from serving.errors import DatabaseUnreachableError, NotReadyError, StorageUnreachableError
from serving.jobs import store
from serving.jobs.durable import BEATS_OF_DEATH
from serving.storage.folder import FolderStore
from serving.tables import JOB_ITEMS, JOBS, REQUESTS


@pytest.fixture(autouse=True)
def _queues(serving_database):
    make_queues(serving_database)


def files_in(folder) -> set[str]:
    return {path.parent.name + path.name for path in (folder / "results").rglob("*") if path.is_file()}


def hashes(database) -> set[str]:
    with database.transaction() as connection:
        return set(connection.scalars(sa.select(JOB_ITEMS.c.sha256)))


def lose_the_first_answer(monkeypatch) -> list[int]:
    """Let the first result be written and its answer be lost. Return a list that has an entry per call."""
    write, calls = store.record, []

    def record(*arguments, **named):
        written = write(*arguments, **named)
        calls.append(1)
        if len(calls) == 1:
            raise DatabaseUnreachableError("the server closed the connection", retry_after=2)
        return written

    monkeypatch.setattr(store, "record", record)
    return calls


def test_a_job_whose_result_was_kept_and_not_answered_is_done(serving_database, tmp_path, monkeypatch):
    n_calls = lose_the_first_answer(monkeypatch)

    async def story() -> None:
        async with working(serving_database, tmp_path, SmallEngine()) as jobs:
            await wait_for(jobs, await submit(jobs, "One.", "Two."), "done")

    asyncio.run(story())
    assert len(n_calls) == 3
    assert files_in(tmp_path) == hashes(serving_database)


class Mark:
    """Marks each file with another number, as a mark with a moment does."""

    n_marked = 0

    def require_valid(self) -> None:
        pass

    def mark(self, file, form, facts) -> None:
        self.n_marked += 1
        with file.open("ab") as opened:
            opened.write(bytes([self.n_marked]))


class BusyStore(FolderStore):
    """A store in which something happens after a file was put, once."""

    def __init__(self, folder, happens) -> None:
        super().__init__(folder)
        self.happens = [happens]

    def put_if_absent(self, *arguments, **named):
        put = super().put_if_absent(*arguments, **named)
        if self.happens:
            self.happens.pop()()
        return put


def test_a_file_whose_arrival_was_not_answered_is_not_kept_beside_the_next_one(serving_database, tmp_path):
    def lose_the_answer() -> None:
        raise StorageUnreachableError("away", retry_after=1)

    objects = BusyStore(tmp_path / "results", lose_the_answer)

    async def story() -> None:
        async with working(serving_database, tmp_path, SmallEngine(), objects=objects, marker=Mark()) as jobs:
            await wait_for(jobs, await submit(jobs), "done")

    asyncio.run(story())
    assert not objects.happens
    assert len(files_in(tmp_path)) == 1
    assert files_in(tmp_path) == hashes(serving_database)


@pytest.mark.parametrize("end", ["cancel", "delete", "claim"])
def test_a_file_that_arrives_after_its_attempt_has_ended_is_not_kept(serving_database, tmp_path, end):
    """The next attempt, which takes the job from this one, keeps its own."""
    names = []

    def end_the_attempt() -> None:
        ends = {"cancel": {"owner": "anna", "keep_text": False}, "delete": {"owner": "anna"}, "claim": {}}
        getattr(store, end)(serving_database, names[0], **ends[end])

    objects = BusyStore(tmp_path / "results", end_the_attempt)
    engine = SmallEngine(is_ready=False)

    async def story() -> None:
        async with working(serving_database, tmp_path, engine, objects=objects, marker=Mark()) as jobs:
            names.append(await submit(jobs))
            engine.is_ready = True
            while objects.happens or jobs.queue.n_running():
                await asyncio.sleep(0.05)
            if end == "claim":
                await wait_for(jobs, names[0], "done", seconds=60)

    asyncio.run(story())
    assert len(files_in(tmp_path)) == (end == "claim")
    assert files_in(tmp_path) == hashes(serving_database) - {None}


def test_what_a_stopped_process_has_put_is_not_kept_beside_what_the_next_one_puts(serving_database, tmp_path):
    mark = Mark()

    async def begin() -> str:
        has_put, stops = threading.Event(), threading.Event()
        objects = BusyStore(tmp_path / "results", lambda: (has_put.set(), stops.wait(60)))
        async with working(serving_database, tmp_path, SmallEngine(), objects=objects, marker=mark) as jobs:
            name = await submit(jobs)
            await asyncio.to_thread(has_put.wait, 60)
        stops.set()
        return name

    async def end(name: str) -> None:
        async with working(serving_database, tmp_path, SmallEngine(), marker=mark) as jobs:
            await wait_for(jobs, name, "done")

    name = asyncio.run(begin())
    assert len(files_in(tmp_path)) == 1
    asyncio.run(end(name))
    assert mark.n_marked == 2
    assert len(files_in(tmp_path)) == 1
    assert files_in(tmp_path) == hashes(serving_database)


def states(database) -> list[str]:
    with database.transaction() as connection:
        return list(connection.scalars(sa.select(JOBS.c.state)))


def test_a_job_that_only_a_newer_version_can_read_waits_for_it(serving_database, tmp_path, caplog):
    row = (JOBS.c.owner == "anna") & (JOBS.c.state == "queued")

    def write(request) -> None:
        with serving_database.transaction() as connection:
            assert connection.execute(sa.update(JOBS).where(row).values(request=request)).rowcount == 1

    def faults_of(name: str) -> list[float]:
        return [record.created for record in caplog.records if f"request={name} fault=TypeError" in record.getMessage()]

    async def story() -> None:
        engine = SmallEngine(is_ready=False)
        async with working(serving_database, tmp_path, engine) as jobs:
            name = await submit(jobs)
            write(asdict(WISH) | {"whisper": True})
            engine.is_ready = True
            while len(moments := faults_of(name)) < 4:
                await asyncio.sleep(0.1)
            assert min(after - before for before, after in pairwise(moments)) > BEATS_OF_DEATH - 1
            assert states(serving_database) == ["queued"]
            write(asdict(WISH))
            assert (await wait_for(jobs, name, "done")).attempt == 1

    asyncio.run(asyncio.wait_for(story(), 90))


def test_a_job_whose_newest_attempt_is_of_a_node_that_died_is_done_by_the_node_that_has_it(serving_database, tmp_path):
    """A node that could not reach the database claims after it has lost the job to another one, and dies."""

    async def story() -> None:
        engine = SmallEngine(seconds=0.2)
        async with working(serving_database, tmp_path, engine) as jobs:
            name = await submit(jobs, "One. " * 10)
            await wait_for(jobs, name, "running")
            assert store.claim(serving_database, name).attempt == 2
            assert (await wait_for(jobs, name, "done", seconds=60)).attempt == 3

    asyncio.run(story())


async def lose(record) -> None:
    """Lose a record, as a process does that is killed while the record is in its memory."""


def audited(database) -> list[tuple[int, str | None]]:
    with database.transaction() as connection:
        return list(connection.execute(sa.select(REQUESTS.c.status, REQUESTS.c.error_type)).tuples())


def test_an_item_is_done_with_its_row_of_the_audit_or_not_at_all(serving_database, tmp_path, monkeypatch):
    lose_the_first_answer(monkeypatch)

    async def story() -> None:
        async with working(serving_database, tmp_path, SmallEngine(), audit=lose) as jobs:
            await wait_for(jobs, await submit(jobs, "One.", "Two."), "done")

    asyncio.run(story())
    assert audited(serving_database) == [(200, None), (200, None)]


@pytest.mark.parametrize("serving_database", ["SQLite"], indirect=True)
def test_a_fault_of_the_service_is_no_success_in_the_audit(serving_database, tmp_path):
    records = []

    async def keep(record) -> None:
        records.append(record)

    async def story() -> None:
        async with working(serving_database, tmp_path, SmallEngine(errors=[ZeroDivisionError()]), audit=keep) as jobs:
            await wait_for(jobs, await submit(jobs), "failed")

    asyncio.run(story())
    assert [(record.status, record.error_type, record.client_left) for record in records] == [
        (500, "internal_error", False)
    ]


@pytest.mark.parametrize("serving_database", ["PostgreSQL"], indirect=True)  # SQLite calls it an outage, so jobs wait
def test_a_job_is_done_while_the_table_of_the_audit_takes_no_rows(serving_database, tmp_path):
    records = []

    async def keep(record) -> None:
        records.append(record)

    def rename(before: str, after: str) -> None:
        with serving_database.transaction() as connection:
            connection.execute(sa.text(f"ALTER TABLE serving_requests RENAME COLUMN {before} TO {after}"))

    async def story() -> None:
        engine = SmallEngine(errors=[NotReadyError("soon")])
        async with working(serving_database, tmp_path, engine, audit=keep) as jobs:
            rename("seed", "chance")
            await wait_for(jobs, await submit(jobs), "done")

    asyncio.run(story())
    assert [(record.status, record.error_type) for record in records] == [(503, "not_ready"), (200, None)]

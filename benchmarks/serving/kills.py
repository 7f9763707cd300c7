"""kill -9 of workers, API and database while jobs are spoken: all are done, none twice, and none is lost."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import httpx
import psutil
import sqlalchemy as sa
from postgres_server import Postgres, running_postgres

from benchmarks.serving.listening import Texts
from benchmarks.serving.project import VOICES
from benchmarks.serving.service import Service, wait_until
from serving.database import SETTING, Database, open_database
from serving.tables import JOB_ITEMS, JOBS, REQUESTS

DATABASES = ("SQLite", "PostgreSQL")
N_NODES = {"SQLite": 1, "PostgreSQL": 2}
LONGEST = 1800.0  # for all jobs
KINDS = ("worker", "API", "database")
Answer = TypeVar("Answer")


class Nodes:
    """The services that work on the jobs of one database.

    Attributes:
        killed: How often each kind of process was killed.
    """

    def __init__(self, root: Path, environment: dict[str, str], n: int, postgres: Postgres | None) -> None:
        """Start n services, and wait until they are warm."""
        self._root, self._environment, self._postgres = root, environment, postgres
        self.services = [Service(root, **environment) for _ in range(n)]
        self.killed: Counter[str] = Counter()
        for service in self.services:
            service.wait_ready()

    def kill_one(self, chance: random.Random) -> None:
        """Kill a worker, an API, or the database. What a service manager would start again is started again."""
        kind = chance.choice(KINDS if self._postgres else KINDS[:2])
        place = chance.randrange(len(self.services))
        if kind == "database":
            assert self._postgres is not None
            self._postgres.stop(crash=True)
            self._postgres.start()
        elif kind == "API":
            self.services[place].kill()
            self.services[place] = Service(self._root, **self._environment)
        else:
            with suppress(psutil.NoSuchProcess, IndexError):
                chance.choice(self.services[place].workers()).kill()
        self.killed[kind] += 1

    def stop(self) -> None:
        """End all of them."""
        for service in self.services:
            service.stop()


def row(root: Path, kind: str, *, n_jobs: int, n_kills: int) -> dict[str, str]:
    """Speak jobs while processes are killed, and return the row.

    Args:
        root: The project.
        kind: One of DATABASES.
        n_jobs: Of one text each.
        n_kills: At random moments.
    """
    chance = random.Random(20)
    with _place(root, kind) as (environment, postgres):
        nodes = Nodes(root, environment, N_NODES[kind], postgres)
        try:
            database = open_database(root, environment)
            jobs = _submit(nodes.services[0].address, n_jobs)
            waits = []
            for _ in range(n_kills):
                time.sleep(chance.uniform(0.5, 2.0))
                if _n_done(database) == n_jobs:
                    break
                running, begin = _running(database), time.monotonic()
                nodes.kill_one(chance)
                waits.append(_until_taken_up(database, running) - begin)
            wait_until(lambda: _n_done(database) == n_jobs, LONGEST)
            faults = _faults(database, jobs)
        finally:
            nodes.stop()
        database.close()
    killed = ", ".join(f"{n} of {what}" for what, n in sorted(nodes.killed.items()))
    return {
        "part": "kills",
        "database": kind,
        "nodes": str(N_NODES[kind]),
        "jobs": str(n_jobs),
        "kills": f"{sum(nodes.killed.values())}: {killed}",
        "done": str(n_jobs - faults["lost"]),
        "lost": str(faults["lost"]),
        "recorded twice": str(faults["twice"]),
        "jobs that ran at a kill ended or begun again, median and longest": (
            f"{sorted(waits)[len(waits) // 2]:.1f}, {max(waits):.1f} s"
        ),
    }


@contextmanager
def _place(root: Path, kind: str) -> Iterator[tuple[dict[str, str], Postgres | None]]:
    if kind == "SQLite":
        yield {}, None
        return
    with running_postgres(synchronous_commit="on") as postgres:
        yield {SETTING: postgres.url(postgres.make_database())}, postgres


def _submit(address: str, n_jobs: int) -> list[str]:
    texts, found = Texts(20), []
    with httpx.Client(base_url=address, timeout=60, trust_env=False) as client:
        for number in range(n_jobs):
            body = {"voice": VOICES[number % 2], "input": texts.next(2), "response_format": "flac", "seed": number}
            headers = {"Idempotency-Key": f"job-{number}"}
            while (answer := client.post("/v1/jobs", json=body, headers=headers)).status_code == 503:
                time.sleep(1)  # jobs start a moment after the voices
            answer.raise_for_status()
            found.append(answer.json()["id"])
    return found


def _ask(database: Database, question: Callable[[sa.Connection], Answer]) -> Answer:
    """Ask the database until it answers: it may have been killed."""
    while True:
        try:
            with database.transaction() as connection:
                return question(connection)
        except Exception:  # noqa: BLE001 - whatever a killed database answers
            time.sleep(0.1)


def _n_done(database: Database) -> int:
    """Return how many jobs have ended."""
    ended = sa.select(sa.func.count()).where(JOBS.c.state.not_in(("queued", "running")))
    return _ask(database, lambda connection: connection.scalar(ended) or 0)


def _running(database: Database) -> dict[str, int]:
    """Return how often each of the running jobs was begun."""
    running = sa.select(JOBS.c.id, JOBS.c.attempt).where(JOBS.c.state == "running")
    return _ask(database, lambda connection: {row.id: row.attempt for row in connection.execute(running)})


def _until_taken_up(database: Database, before: Mapping[str, int]) -> float:
    """Return the moment at which each job that ran at a kill has ended or was begun again.

    Args:
        database: Of the jobs.
        before: How often each of them had been begun.
    """
    while any(before.get(job) == attempt for job, attempt in _running(database).items()):
        time.sleep(0.05)
    return time.monotonic()


def _faults(database: Database, jobs: list[str]) -> Counter[str]:
    """Return how many jobs were lost or recorded twice: each has one file, and its text one row in the audit."""
    with database.transaction() as connection:
        states = {row.id: row.state for row in connection.execute(sa.select(JOBS.c.id, JOBS.c.state))}
        files = Counter(connection.scalars(sa.select(JOB_ITEMS.c.job_id).where(JOB_ITEMS.c.sha256.is_not(None))))
        rows = Counter(connection.scalars(sa.select(REQUESTS.c.text_sha256).where(REQUESTS.c.status == 200)))
    lost = [job for job in jobs if states.get(job) not in ("done", "needs_review") or files[job] != 1]
    return Counter(lost=len(lost), twice=sum(n - 1 for n in rows.values() if n > 1))

"""DBOS in this process: the queue, the heartbeat, and the jobs of dead nodes (docs/decisions/018).

DBOS is given the id of a job and nothing else. It decides which node runs it, and remembers that until it has ended.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import secrets
import threading
from collections.abc import Awaitable, Callable

import sqlalchemy as sa
from dbos import DBOS, DBOSClient, DBOSPortableJSONSerializer
from dbos._serialization import DefaultSerializer

from serving.database import Database
from serving.errors import DatabaseUnreachableError, ServingError
from serving.jobs.records import Submission
from serving.tables import NODES

APPLICATION = "voxfoundry"
WORKFLOW = "speak_job"
QUEUE = "speech"
VERSION = "1"  # of the workflow. Another one would leave the jobs of the old one alone
BEAT_SECONDS = 1.0
BEATS_OF_DEATH = 5  # looks at a heartbeat that stands still, until its node counts as dead
POLL_SECONDS = 0.5
LOG = logging.getLogger(__name__)
JSON = DBOSPortableJSONSerializer()


class PickleRefusedError(ServingError, ValueError):
    """A row of DBOS says that it is a pickle. Nothing is ever unpickled, because a pickle can run any command."""


class _Shutdown(BaseException):
    """The process ends while a job runs. DBOS does not record it, so that the job is taken up again."""


def _refuse(_: object, serialized_data: str) -> object:
    raise PickleRefusedError("a row in the tables of DBOS is a pickle, which is never read")


# A row says how it is to be read, whatever serializer DBOS is configured with
DefaultSerializer.deserialize = _refuse  # type: ignore[method-assign]


class DeadNodes:
    """Tells which nodes are dead, from looks at their heartbeats. No two clocks are compared."""

    def __init__(self) -> None:
        """Begin with nothing seen."""
        self._seen: dict[str, tuple[int, int]] = {}  # beats, and looks at which they were the same

    def look(self, beats: dict[str, int]) -> list[str]:
        """Return the nodes whose heartbeat stood still for long enough.

        Args:
            beats: The heartbeat of every other node.
        """
        known = self._seen
        self._seen = {
            node: (count, known[node][1] + 1 if node in known and known[node][0] == count else 0)
            for node, count in beats.items()
        }
        return sorted(node for node, (_, n_same) in self._seen.items() if n_same >= BEATS_OF_DEATH)


class DurableQueue:
    """The queue of jobs. There is one per process, because DBOS is one per process."""

    def __init__(self, database: Database, run: Callable[[str], Awaitable[None]], *, n_at_once: int) -> None:
        """Prepare.

        Args:
            database: Of serving. DBOS makes its tables in it.
            run: Runs a job, on the event loop that calls `start`.
            n_at_once: Jobs that run in this process at once.
        """
        self._database, self._run, self._n_at_once = database, run, n_at_once
        self.node = secrets.token_hex(8)
        self._client = DBOSClient(
            system_database_engine=database.engine, serializer=JSON, application_name=APPLICATION, lazy=True
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running: set[concurrent.futures.Future[None]] = set()
        self._stop = threading.Event()
        self._beats = threading.Thread(target=self._beat_for_ever, name="heartbeat of jobs", daemon=True)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Make the tables of DBOS, and begin to run jobs. It blocks for a second.

        Args:
            loop: The event loop on which jobs run.

        Raises:
            DatabaseUnreachableError: The database does not answer.
        """
        self._loop = loop
        logging.getLogger("dbos").setLevel(logging.ERROR)
        try:
            DBOS.migrate(self._database.uri)  # nodes that start at once take turns
            self._beat()  # before the first job, so that whatever this node begins can be taken over
            self._launch()
        except sa.exc.SQLAlchemyError as error:
            DBOS.destroy(destroy_registry=True)
            raise DatabaseUnreachableError("the database of the jobs cannot be used now", retry_after=2) from error
        self._beats.start()

    def _launch(self) -> None:
        DBOS(
            config={
                "name": APPLICATION,
                "system_database_url": self._database.uri,
                "application_version": VERSION,
                "executor_id": self.node,
                "serializer": JSON,
                "log_level": "ERROR",
                "sys_db_pool_size": 8,
                "run_migrations": False,
            }
        )

        # The jobs of a node that dies again and again end by `max_attempts` of ours
        @DBOS.workflow(name=WORKFLOW, max_recovery_attempts=None)
        def speak_job(job_id: str) -> None:
            self._run_workflow(job_id)

        DBOS.launch()
        DBOS.register_queue(
            QUEUE, worker_concurrency=self._n_at_once, polling_interval_sec=POLL_SECONDS, on_conflict="always_update"
        )

    def close(self) -> None:
        """Stop. Jobs that run are left to other nodes, or to the next start."""
        self._stop.set()
        for future in list(self._running):
            future.cancel()
        if self._beats.is_alive():
            self._beats.join(5)
        DBOS.destroy(destroy_registry=True)

    def enqueue(self, connection: sa.Connection, submission: Submission) -> None:
        """Queue a job in a transaction of ours."""
        self._client.enqueue_in_transaction(
            connection,
            {
                "workflow_name": WORKFLOW,
                "queue_name": QUEUE,
                "workflow_id": submission.id,
                "app_version": VERSION,
                "priority": submission.wish.priority,
            },
            submission.id,
        )

    def cancel(self, job_id: str) -> None:
        """Take a job out of the queue. One that runs stops by itself at its next sentence."""
        DBOS.cancel_workflow(job_id)

    def forget(self, job_ids: list[str]) -> None:
        """Delete what DBOS remembers of jobs that have ended."""
        DBOS.delete_workflows(job_ids)

    def _run_workflow(self, job_id: str) -> None:
        """Run a job on the event loop, and wait here in a thread of DBOS."""
        assert self._loop is not None
        if self._stop.is_set():
            raise _Shutdown
        future = asyncio.run_coroutine_threadsafe(self._as_coroutine(job_id), self._loop)
        self._running.add(future)
        try:
            future.result()
        except concurrent.futures.CancelledError:
            raise _Shutdown from None
        finally:
            self._running.discard(future)

    async def _as_coroutine(self, job_id: str) -> None:
        await self._run(job_id)

    def _beat_for_ever(self) -> None:
        dead = DeadNodes()
        while not self._stop.wait(BEAT_SECONDS):
            try:
                others = self._beat()
                for node in dead.look(others):
                    self._take_over(node)
            except (DatabaseUnreachableError, sa.exc.SQLAlchemyError) as error:
                LOG.warning("no heartbeat for the jobs of this node: %s", type(error).__name__)

    def _beat(self) -> dict[str, int]:
        """Count up the own heartbeat and return those of the others. A job whose node has none gets -1."""
        with self._database.transaction() as connection:
            own = NODES.c.id == self.node
            if not connection.execute(sa.update(NODES).where(own).values(beats=NODES.c.beats + 1)).rowcount:
                connection.execute(sa.insert(NODES).values(id=self.node, beats=0))
            others = {row.id: row.beats for row in connection.execute(sa.select(NODES).where(~own))}
        if self._beats.is_alive():
            pending = DBOS.list_workflows(status="PENDING", load_input=False, load_output=False, queue_name=QUEUE)
            owners = {workflow.executor_id for workflow in pending if workflow.executor_id}
            others |= dict.fromkeys(owners - others.keys() - {self.node}, -1)
        return others

    def _take_over(self, node: str) -> None:
        """Queue the jobs of a dead node again. Doing it twice changes nothing."""
        handles = DBOS._recover_pending_workflows([node])
        with self._database.transaction() as connection:
            connection.execute(sa.delete(NODES).where(NODES.c.id == node))
        if handles:
            LOG.warning("node %s is dead; %d of its jobs are queued again", node, len(handles))

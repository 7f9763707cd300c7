"""DBOS in this process: the queues, the heartbeat, and the work of dead nodes (docs/decisions/018).

DBOS is given an id and nothing else, such as that of a job. It decides which node works on it, and remembers that until
it has ended. Jobs have a queue, and so has any other kind of work that a process adds.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import logging
import secrets
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import sqlalchemy as sa
from dbos import DBOS, DBOSClient, DBOSPortableJSONSerializer
from dbos._serialization import DefaultSerializer

from serving.api.failures import log_fault
from serving.database import Database
from serving.errors import DatabaseUnreachableError, ServingError
from serving.jobs.records import Submission
from serving.tables import NODES

APPLICATION = "voxfoundry"
WORKFLOW = "speak_job"
QUEUE = "speech"
VERSION = "1"  # of the workflow. Another one would leave the jobs of the old one alone
BEAT_SECONDS = 1.0
BEATS_OF_DEATH = 5  # looks at a heartbeat that stands still, until its node counts as dead, or its work as lost
POLL_SECONDS = 0.5
FORGOTTEN_AT_ONCE = 500
LOG = logging.getLogger(__name__)
JSON = DBOSPortableJSONSerializer()


class PickleRefusedError(ServingError, ValueError):
    """A row of DBOS says that it is a pickle. Nothing is ever unpickled, because a pickle can run any command."""


class UnfinishedError(ServingError):
    """Work has stopped before its end, and is to be queued again."""


class _LeftPending(BaseException):
    """Work has stopped before its end. DBOS does not record it, as it would an Exception, so it is taken up again."""


def _refuse(_: object, serialized_data: str) -> object:
    raise PickleRefusedError("a row in the tables of DBOS is a pickle, which is never read")


# A row says how it is to be read, whatever serializer DBOS is configured with
DefaultSerializer.deserialize = _refuse  # type: ignore[method-assign]


@dataclass(frozen=True, kw_only=True)
class Work:
    """A kind of work with a queue of its own.

    Attributes:
        workflow: Name of the workflow in DBOS.
        queue: Name of the queue in DBOS.
        run: Does what an id names, on the event loop of `take_work`. Whatever it raises, the work is queued again.
        n_at_once: How many are done in this process at once.
    """

    workflow: str
    queue: str
    run: Callable[[str], Awaitable[None]]
    n_at_once: int


class StandstillDetector:
    """Tells what stands still, from looks at counts such as heartbeats. No two clocks are compared."""

    def __init__(self) -> None:
        """Begin with nothing seen."""
        self._seen: dict[str, tuple[int, int]] = {}  # counts, and looks at which they were the same

    def look(self, counts: Mapping[str, int]) -> list[str]:
        """Return the names whose count stood still for BEATS_OF_DEATH looks.

        Args:
            counts: By name. One that is missing is forgotten.
        """
        known = self._seen
        self._seen = {
            name: (count, known[name][1] + 1 if name in known and known[name][0] == count else 0)
            for name, count in counts.items()
        }
        return sorted(name for name, (_, n_same) in self._seen.items() if n_same >= BEATS_OF_DEATH)

    def forget(self, names: Sequence[str]) -> None:
        """Begin anew with names that something was done about."""
        for name in names:
            self._seen.pop(name, None)


class DurableQueue:
    """The queues of jobs and other work. There is one per process, because DBOS is one per process."""

    def __init__(
        self,
        database: Database,
        run: Callable[[str], Awaitable[None]],
        *,
        n_at_once: int,
        others: Sequence[Work] = (),
    ) -> None:
        """Prepare.

        Args:
            database: Of serving. DBOS makes its tables in it.
            run: Runs a job, on the event loop of `take_work`.
            n_at_once: Jobs that run in this process at once. 0 where it takes none.
            others: Other kinds of work.
        """
        self._database = database
        jobs = Work(workflow=WORKFLOW, queue=QUEUE, run=run, n_at_once=n_at_once)
        self._works = (jobs, *others) if n_at_once else tuple(others)
        self.node = secrets.token_hex(8)
        self._client = DBOSClient(
            system_database_engine=database.engine,
            serializer=JSON,
            application_name=APPLICATION,
            lazy=True,
            retry_connection_errors=False,  # a heartbeat that waits out an outage would begin again a minute late
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running: dict[concurrent.futures.Future[None], tuple[str, str]] = {}  # queues and ids
        self._stop = threading.Event()
        self._launching = threading.Lock()
        self._beats = threading.Thread(target=self._beat_for_ever, name="heartbeat of jobs", daemon=True)

    def start(self) -> None:
        """Make the tables of DBOS, and begin to look for dead nodes. Work can be queued afterwards.

        Raises:
            DatabaseUnreachableError: The database does not answer.
        """
        logging.getLogger("dbos").setLevel(logging.ERROR)
        with self._reached():
            DBOS.migrate(self._database.uri)  # nodes that start at once take turns
            self._beat()  # before the first job, so that whatever this node begins can be taken over
        self._beats.start()

    def take_work(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to take work from the queues. It blocks for a second.

        Args:
            loop: The event loop on which it is done.

        Raises:
            DatabaseUnreachableError: The database does not answer.
        """
        self._loop = loop
        with self._launching:
            if self._stop.is_set():
                return
            with ExitStack() as undo, self._reached():
                undo.callback(DBOS.destroy, destroy_registry=True)  # a second launch needs a clean start
                self._launch()
                undo.pop_all()

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.SQLAlchemyError as error:
            # SQLAlchemy's own message holds the statement with its values
            reason = str(getattr(error, "orig", None) or type(error).__name__).strip().partition("\n")[0]
            LOG.warning("the database of the jobs cannot be used: %s", reason)
            raise DatabaseUnreachableError("the database of the jobs cannot be used now", retry_after=2) from error

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

        for work in self._works:
            self._register(work)
        DBOS.listen_queues([work.queue for work in self._works])  # and not to those of work that this node lacks
        DBOS.launch()
        for work in self._works:
            DBOS.register_queue(
                work.queue,
                worker_concurrency=work.n_at_once,
                polling_interval_sec=POLL_SECONDS,
                on_conflict="always_update",
            )

    def _register(self, work: Work) -> None:
        # The work of a node that dies again and again ends by `max_attempts` of ours
        @DBOS.workflow(name=work.workflow, max_recovery_attempts=None)
        def do(work_id: str) -> None:
            self._run_workflow(work, work_id)

    def close(self) -> None:
        """Stop. Jobs that run are left to other nodes, or to the next start."""
        self._stop.set()
        for future in list(self._running):
            future.cancel()
        if self._beats.is_alive():
            self._beats.join(5)
        with self._launching:
            DBOS.destroy(destroy_registry=True)

    def enqueue(self, connection: sa.Connection, submission: Submission) -> None:
        """Queue a job in a transaction of ours."""
        self.enqueue_work(connection, submission.id, workflow=WORKFLOW, queue=QUEUE, priority=submission.wish.priority)

    def enqueue_work(
        self, connection: sa.Connection, work_id: str, *, workflow: str, queue: str, priority: int = 5
    ) -> None:
        """Queue work in a transaction of ours.

        Args:
            connection: Of the transaction.
            work_id: Names what is to be done. It was not queued before.
            workflow: Name of the workflow.
            queue: Name of the queue.
            priority: 1 to 9. Work with a smaller one starts first.
        """
        self._client.enqueue_in_transaction(
            connection,
            {
                "workflow_name": workflow,
                "queue_name": queue,
                "workflow_id": work_id,
                "app_version": VERSION,
                "priority": priority,
            },
            work_id,
        )

    def n_running(self, queue: str = QUEUE) -> int:
        """Return how much work of a queue is being done in this process."""
        return sum(name == queue for name, _ in list(self._running.values()))

    def cancel(self, job_id: str) -> None:
        """Take a job out of the queue. One that runs stops by itself at its next sentence.

        Raises:
            DatabaseUnreachableError: The database does not answer.
        """
        with self._reached():
            self._client.cancel_workflow(job_id)

    def forget(self, job_ids: list[str]) -> None:
        """Delete what DBOS remembers of jobs that have ended.

        Raises:
            DatabaseUnreachableError: The database does not answer.
        """
        with self._reached():
            self._client.delete_workflows(job_ids)

    def open_work(self, prefix: str, *, queue: str, limit: int | None = None) -> list[str]:
        """Return the ids of the work that waits or is being done, and whose ids begin alike.

        Args:
            prefix: How the ids begin.
            queue: Name of its queue.
            limit: At most so many, None for all.

        Raises:
            DatabaseUnreachableError: The database does not answer.
        """
        with self._reached():
            found = self._client.list_workflows(
                workflow_id_prefix=prefix,
                status=["ENQUEUED", "PENDING"],
                queue_name=queue,
                limit=limit,
                load_input=False,
                load_output=False,
            )
        return [workflow.workflow_id for workflow in found]

    def forget_all(self, prefix: str, *, status: str | Sequence[str]) -> None:
        """Delete what DBOS remembers of work whose ids begin alike.

        Args:
            prefix: How the ids begin.
            status: Of DBOS that the work must have, or several. They are of work that has ended.

        Raises:
            DatabaseUnreachableError: The database does not answer.
        """
        chosen = status if isinstance(status, str) else list(status)
        with self._reached():
            while found := self._client.list_workflows(
                workflow_id_prefix=prefix, status=chosen, load_input=False, load_output=False, limit=FORGOTTEN_AT_ONCE
            ):
                self._client.delete_workflows([workflow.workflow_id for workflow in found])

    def _run_workflow(self, work: Work, work_id: str) -> None:
        """Do work on the event loop, and wait here in a thread of DBOS."""
        assert self._loop is not None
        if self._stop.is_set():
            raise _LeftPending
        # In a context of its own: in that of its workflow, DBOS would record each call as a step
        submit = contextvars.Context().run
        future = submit(asyncio.run_coroutine_threadsafe, _as_coroutine(work, work_id), self._loop)
        self._running[future] = work.queue, work_id
        if self._stop.is_set():  # `close` has cancelled those that it saw
            future.cancel()
        try:
            future.result()
        except concurrent.futures.CancelledError:
            raise _LeftPending from None
        except UnfinishedError as error:
            LOG.warning("%s is queued again: %s", work_id, error)
            raise _LeftPending from None
        except Exception as error:  # noqa: BLE001 - DBOS would record its end, such as where only a newer node reads it
            log_fault(error, work_id)
            raise _LeftPending from None
        finally:
            self._running.pop(future, None)

    def _beat_for_ever(self) -> None:
        nodes, claims = StandstillDetector(), StandstillDetector()
        while not self._stop.wait(BEAT_SECONDS):
            try:
                others = self._beat()
                claimed = self._claimed()
                others |= dict.fromkeys(set(claimed.values()) - others.keys() - {self.node}, -1)
                for node in nodes.look(others):
                    self._take_over(node)
                running = {work_id for _, work_id in list(self._running.values())}
                idle = [name for name, node in claimed.items() if node == self.node and name not in running]
                lost = claims.look(dict.fromkeys(idle, 0))
                self._give_back(lost)
                claims.forget(lost)  # or work that stops at once would be queued again at each look
            except (DatabaseUnreachableError, sa.exc.SQLAlchemyError) as error:
                LOG.warning("no heartbeat for the jobs of this node: %s", type(error).__name__)
            except Exception:  # without a heartbeat the others would take the jobs of this node for ever
                LOG.exception("no heartbeat for the jobs of this node, which is tried again")

    def _beat(self) -> dict[str, int]:
        """Count up the own heartbeat and return those of the others."""
        with self._database.transaction() as connection:
            own = NODES.c.id == self.node
            if not connection.execute(sa.update(NODES).where(own).values(beats=NODES.c.beats + 1)).rowcount:
                connection.execute(sa.insert(NODES).values(id=self.node, beats=0))
            return {row.id: row.beats for row in connection.execute(sa.select(NODES).where(~own))}

    def _claimed(self) -> dict[str, str]:
        """Return the work that nodes have claimed and not ended, and its nodes, by its id."""
        found = {}
        for work in self._works:
            for one in self._client.list_workflows(
                status="PENDING", load_input=False, load_output=False, queue_name=work.queue
            ):
                if one.executor_id:
                    found[one.workflow_id] = one.executor_id
        return found

    def _take_over(self, node: str) -> None:
        """Queue the jobs of a dead node again. Doing it twice changes nothing.

        It is done by the client, because DBOS itself would wait out an outage of the database for up to a minute.
        """
        pending = self._client._sys_db.get_pending_workflows(node, VERSION)
        n_queued = self._queue_again([one.workflow_id for one in pending], node)
        with self._database.transaction() as connection:
            connection.execute(sa.delete(NODES).where(NODES.c.id == node))
        if n_queued:
            LOG.warning("node %s is dead; %d of its jobs are queued again", node, n_queued)

    def _give_back(self, names: Sequence[str]) -> None:
        """Queue work again that this node claimed and does not do.

        A crash of the database leaves it, where the claim was kept and its answer never arrived, and so does work that
        has stopped before its end. DBOS would leave it to the node for as long as the node lives.
        """
        if n_queued := self._queue_again(names, self.node):
            LOG.warning("%d jobs that this node claimed and does not do are queued again", n_queued)

    def _queue_again(self, names: Sequence[str], node: str) -> int:
        return sum(self._client._sys_db.reenqueue_for_recovery(name, [node], QUEUE) for name in names)


async def _as_coroutine(work: Work, work_id: str) -> None:
    await work.run(work_id)

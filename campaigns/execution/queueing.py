"""The slices of campaigns in the durable queue of this process."""

from __future__ import annotations

from contextlib import suppress

import sqlalchemy as sa

from campaigns.execution.plan import QUEUE, WORKFLOW, first_id, hand_back_id, handed_back_prefix
from campaigns.tables import ROWS
from serving.database import Database
from serving.errors import DatabaseUnreachableError
from serving.jobs.durable import DurableQueue

PRIORITY = 5
ENDED = ("SUCCESS", "ERROR", "CANCELLED")  # states of work in DBOS


class SliceQueue:
    """Queues slices. It refuses while the process has no queue, at its start."""

    def __init__(self) -> None:
        """Begin without a queue."""
        self._queue: DurableQueue | None = None

    def use(self, queue: DurableQueue) -> None:
        """Take the queue of this process."""
        self._queue = queue

    def node(self, _: Database) -> str:
        """Return the name of this node, as the table of nodes has it.

        Raises:
            DatabaseUnreachableError: The process has no queue yet.
        """
        return self._ready().node

    def n_jobs(self) -> int:
        """Return how many jobs are spoken in this process."""
        return 0 if self._queue is None else self._queue.n_running()

    def enqueue(self, connection: sa.Connection, work_id: str) -> None:
        """Queue the work at a slice in a transaction of ours. Once it was queued, nothing changes.

        Raises:
            DatabaseUnreachableError: The process has no queue yet.
        """
        self._ready().enqueue_work(connection, work_id, workflow=WORKFLOW, queue=QUEUE, priority=PRIORITY)

    def lacks_work(self, database: Database, campaign_id: str) -> bool:
        """Return whether rows of a campaign wait, and nothing will come for them.

        A submission that was killed on the way leaves such rows in a campaign that runs.

        Raises:
            DatabaseUnreachableError: The database does not answer.
        """
        waiting = sa.select(ROWS.c.place).where(ROWS.c.campaign_id == campaign_id, ROWS.c.state == "queued")
        with database.transaction(only_reads=True) as connection:
            if connection.scalar(waiting.limit(1)) is None:
                return False
        return not self._ready().open_work(f"{campaign_id}:", queue=QUEUE, limit=1)

    def hand_back(self, database: Database, work_id: str) -> None:
        """Queue the work at a slice again, for another node.

        A process can die after this and before DBOS has recorded that the work has ended. DBOS begins it again then,
        besides what it queued. The one of the greatest id goes on, and ids grow, so there is always one.

        Args:
            database: Of serving.
            work_id: Of the work that ends now.

        Raises:
            DatabaseUnreachableError: The database does not answer.
        """
        first = first_id(work_id)
        if any(other > work_id and first_id(other) == first for other in self._ready().open_work(first, queue=QUEUE)):
            return
        with database.transaction() as connection:
            self.enqueue(connection, hand_back_id(work_id))

    def forget_handed_back(self, work_id: str) -> None:
        """Delete what DBOS remembers of the times when a slice was handed back, if the database answers now."""
        with suppress(DatabaseUnreachableError):
            self._ready().forget_all(handed_back_prefix(work_id), status="SUCCESS")

    def forget(self, campaign_id: str) -> None:
        """Delete what DBOS remembers of a campaign that has ended. Work stays that a new start has queued.

        Raises:
            DatabaseUnreachableError: The database does not answer.
        """
        self._ready().forget_all(f"{campaign_id}:", status=ENDED)

    def _ready(self) -> DurableQueue:
        if self._queue is None:
            raise DatabaseUnreachableError("campaigns cannot be taken yet", retry_after=2)
        return self._queue

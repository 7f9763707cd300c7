"""Takes records without waiting, and writes them in a thread of its own.

While the database is away, rows wait in the spool and are written later. When the spool is full, or the disk is, new
rows are lost and counted. Where `serve.audit.is_required` is true, requests are refused with 503 from the moment on
that rows cannot be written, so that nothing is spoken without a row.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa

from serving.audit.rows import UNSTORABLE, as_columns, insert_rows, make_empty_row, make_row
from serving.audit.spool import Row, Spool
from serving.database import Database
from serving.errors import DatabaseUnreachableError
from serving.messages import RequestRecord
from serving.settings import ServeSettings
from serving.tables import REQUESTS

CallerT = TypeVar("CallerT")
FOLDER = Path(".vox/audit")
BATCH_ROWS = 200
RETRY_SECONDS = 1.0
CLOSE_SECONDS = 10.0
MAX_WAITING = 100_000  # rows in memory, should the disk stall. A row has about 1 kB
LOG = logging.getLogger(__name__)


class AuditRecorder:
    """Writes a row for each request. `record` returns at once, and never raises into a request."""

    def __init__(
        self,
        database: Database,
        folder: Path,
        settings: ServeSettings,
        *,
        on_lost: Callable[[int], object] = lambda _: None,
    ) -> None:
        """Prepare.

        Args:
            database: Of serving, migrated.
            folder: Where rows wait on disk.
            settings: The section `serve`.
            on_lost: Called with the number of rows that were lost, from any thread.
        """
        self._on_lost = on_lost
        self._database, self._folder, self._settings = database, folder, settings
        self._waiting: queue.Queue[Row | None] = queue.Queue(MAX_WAITING)
        self._thread = threading.Thread(target=self._write_for_ever, name="audit", daemon=True)
        self._stop = threading.Event()
        self.is_writable = True
        self.n_lost = 0

    async def start(self) -> None:
        """Begin to write, first what an earlier process has left."""
        self._thread.start()

    async def close(self) -> None:
        """Write what waits, or leave it on disk for the next start."""
        if self._thread.is_alive():
            self._stop.set()
            self._waiting.put(None)
            await asyncio.to_thread(self._thread.join, CLOSE_SECONDS)

    async def record(self, record: RequestRecord) -> None:
        """Take the record of a request that has ended."""
        try:
            self._waiting.put_nowait(make_row(record, keep_text=self._settings.keep_text))
        except queue.Full:
            self._lose(1)

    def guard(
        self, authenticate: Callable[[str | None], Awaitable[CallerT]]
    ) -> Callable[[str | None], Awaitable[CallerT]]:
        """Return a check of keys that also refuses requests which could not be audited, where that is required.

        Args:
            authenticate: Returns the caller of a request.
        """

        async def guarded(authorization: str | None) -> CallerT:
            caller = await authenticate(authorization)
            if self._settings.audit.is_required and not self.is_writable:
                raise DatabaseUnreachableError(
                    "requests cannot be audited now, and this service requires it", retry_after=2
                )
            return caller

        return guarded

    def _write_for_ever(self) -> None:
        spool: Spool | None = None
        pending: list[Row] = []  # rows that are not on disk, because it is full
        while True:
            pending += self._take()
            self._lose(len(pending) - MAX_WAITING)
            del pending[MAX_WAITING:]
            try:
                spool = spool or self._open_spool()
                n_kept = spool.append(pending)
                self._lose(len(pending) - n_kept)
                pending = []
                if not self.is_writable or self._settings.audit.is_required:
                    self._ping()  # before the whole spool is read
                self._insert(spool.read())
                spool.clear()
                for rows in spool.adopt():
                    self._insert(rows)
                self._set_writable(True, "")
            except Exception as error:  # noqa: BLE001 - without this thread nobody would notice that rows are missing
                self._set_writable(False, type(error).__name__)
                if not self._stop.wait(RETRY_SECONDS) or not self._waiting.empty():
                    continue
                break
            if self._stop.is_set() and self._waiting.empty():
                break
        self._lose(len(pending))
        if spool is not None:
            spool.close()

    def _open_spool(self) -> Spool:
        return Spool(self._folder, self._settings.audit.max_spool_megabytes * 1_000_000)

    def _take(self) -> list[Row]:
        """Return rows that wait. It blocks until there is one, or for a while."""
        try:
            first = self._waiting.get(timeout=RETRY_SECONDS)
        except queue.Empty:
            return []
        rows = [first]
        most = MAX_WAITING if self._stop.is_set() else BATCH_ROWS
        while len(rows) < most and not self._waiting.empty():
            rows.append(self._waiting.get_nowait())
        return [row for row in rows if row is not None]

    def _ping(self) -> None:
        with self._database.transaction() as connection:
            connection.execute(sa.select(1))

    def _insert(self, rows: list[Row]) -> None:
        """Write rows that the table does not have yet."""
        for begin in range(0, len(rows), BATCH_ROWS):
            batch = rows[begin : begin + BATCH_ROWS]
            try:
                self._insert_batch(batch)
            except UNSTORABLE as error:  # not an outage: the table cannot hold one of them
                self._require_table()
                if len(batch) > 1:
                    for row in batch:
                        self._insert([row])
                else:
                    LOG.error("a row of the audit cannot be kept: %s", type(error).__name__)
                    self._lose(1)

    def _insert_batch(self, rows: list[Row]) -> None:
        with self._database.transaction() as connection:
            insert_rows(connection, [as_columns(row) for row in rows])

    def _require_table(self) -> None:
        """Raise what keeps the table from taking any row, such as a right or a column that it lacks.

        Then no row is to blame, and all of them wait until somebody has mended the table.
        """
        with self._database.transaction() as connection:
            undone = connection.begin_nested()
            connection.execute(sa.insert(REQUESTS).values(make_empty_row()))
            undone.rollback()

    def _set_writable(self, is_writable: bool, reason: str) -> None:
        if is_writable != self.is_writable:
            LOG.warning("the audit can be written again" if is_writable else f"the audit cannot be written: {reason}")
        self.is_writable = is_writable

    def _lose(self, n_rows: int) -> None:
        if n_rows > 0:
            self.n_lost += n_rows
            self._on_lost(n_rows)
            LOG.error("%d rows of the audit are lost in all, because the spool cannot take them", self.n_lost)


def count_rows(database: Database) -> int:
    """Return how many rows the audit has."""
    with database.transaction() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(REQUESTS)) or 0

"""Which files of the store belong to jobs. Every function is one transaction, and the only one that deletes a file.

A file is noted in the row of its item before it is put into the store, and it is the item's when the attempt records
it. So a kill between the two leaves no file that nothing names: the next attempt deletes it, or whoever deletes the
job. Nobody deletes a file that another row has or has noted.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from serving.database import Database
from serving.jobs.records import OPEN_STATES, Job
from serving.jobs.store import current_attempt, lock_file
from serving.tables import JOB_ITEMS, JOBS

LATE_HOURS = 1  # a file that an attempt was putting when its job was deleted is there by then
Delete = Callable[[str], None]


def note_file(database: Database, job: Job, item: int, sha256: str, delete: Delete) -> bool:
    """Note a file that is about to be put, and delete the one that an earlier try noted and did not record.

    Args:
        database: Of serving.
        job: The attempt.
        item: Index of the item.
        sha256: Of the file.
        delete: Deletes a file.

    Returns:
        False where the attempt is not the newest, and then nothing was noted.
    """
    place = (JOB_ITEMS.c.job_id == job.id) & (JOB_ITEMS.c.item == item)
    with database.transaction() as connection:
        if connection.scalar(sa.select(JOBS.c.id).where(current_attempt(job)).with_for_update()) is None:
            return False
        former = connection.scalar(sa.select(JOB_ITEMS.c.pending_sha256).where(place)) or sha256
        for name in sorted({former, sha256}):  # in the same order everywhere, so that nobody waits in a circle
            lock_file(database, connection, name)
        connection.execute(sa.update(JOB_ITEMS).where(place).values(pending_sha256=sha256))
        _delete_unnamed(connection, former, delete)
        return True


def drop_refused(database: Database, job_id: str, item: int, sha256: str, delete: Delete) -> None:
    """Delete a file that an attempt has put and may not record, unless a row names it.

    Args:
        database: Of serving.
        job_id: Of the job, which has ended or has a newer attempt. That one deletes what it finds noted.
        item: Index of the item.
        sha256: Of the file.
        delete: Deletes a file.
    """
    with database.transaction() as connection:
        lock_file(database, connection, sha256)
        has_ended = sa.exists().where(JOBS.c.id == job_id, JOBS.c.state.not_in(OPEN_STATES))
        noted = (JOB_ITEMS.c.job_id == job_id) & (JOB_ITEMS.c.item == item) & (JOB_ITEMS.c.pending_sha256 == sha256)
        connection.execute(sa.update(JOB_ITEMS).where(noted, has_ended).values(pending_sha256=None))
        _delete_unnamed(connection, sha256, delete)


def files_of(database: Database, job_id: str) -> list[str]:
    """Return the sha256 of the files that a job still has, or may have."""
    columns = JOB_ITEMS.c.sha256, JOB_ITEMS.c.pending_sha256
    with database.transaction(only_reads=True) as connection:
        rows = connection.execute(sa.select(*columns).where(JOB_ITEMS.c.job_id == job_id)).all()
    return sorted({sha256 for row in rows for sha256 in row if sha256 is not None})


def drop_file(database: Database, job_id: str, sha256: str, delete: Delete) -> None:
    """Take a file from a deleted job, and delete it unless another job has it too. Nobody can record it meanwhile.

    The row names the file until it is deleted, so that a kill or a store that is away leaves nothing behind. What a
    deleted job has noted stays noted for LATE_HOURS, because an attempt may still be putting it.

    Args:
        database: Of serving.
        job_id: Of the job.
        sha256: Of the file.
        delete: Deletes a file.
    """
    of_job = JOB_ITEMS.c.job_id == job_id
    with database.transaction() as connection:
        lock_file(database, connection, sha256)
        others = sa.select(JOB_ITEMS.c.item).where(_names(sha256), ~of_job).limit(1)
        if connection.scalar(others) is None:
            delete(sha256)
        nothing: dict[str, Any] = {"sha256": None, "n_bytes": None, "sentences": None}
        connection.execute(sa.update(JOB_ITEMS).where(of_job, JOB_ITEMS.c.sha256 == sha256).values(nothing))
        late = datetime.now(UTC) - timedelta(hours=LATE_HOURS)
        has_settled = sa.exists().where(JOBS.c.id == job_id, JOBS.c.finished_at < late)
        noted = of_job & (JOB_ITEMS.c.pending_sha256 == sha256)
        connection.execute(sa.update(JOB_ITEMS).where(noted, has_settled).values(pending_sha256=None))


def deleted_with_files(database: Database, limit: int = 100) -> list[str]:
    """Return the names of jobs that were deleted and still have files, or may have, at most `limit` of them."""
    has_file = JOB_ITEMS.c.sha256.is_not(None) | JOB_ITEMS.c.pending_sha256.is_not(None)
    with database.transaction(only_reads=True) as connection:
        left = sa.select(JOBS.c.id).join(JOB_ITEMS, JOB_ITEMS.c.job_id == JOBS.c.id)
        return list(connection.scalars(left.where(JOBS.c.state == "deleted", has_file).distinct().limit(limit)))


def _delete_unnamed(connection: sa.Connection, sha256: str, delete: Delete) -> None:
    if connection.scalar(sa.select(JOB_ITEMS.c.item).where(_names(sha256)).limit(1)) is None:
        delete(sha256)


def _names(sha256: str) -> sa.ColumnElement[bool]:
    return (JOB_ITEMS.c.sha256 == sha256) | (JOB_ITEMS.c.pending_sha256 == sha256)

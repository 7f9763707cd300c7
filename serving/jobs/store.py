"""Jobs in our tables: submitted, claimed, recorded, finished, cancelled, deleted. Every function is one transaction.

A job is claimed by an attempt, a number that grows. An attempt that is not the newest any more changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from serving.audit.rows import insert_rows
from serving.database import Database
from serving.errors import IdempotencyMismatchError, UnknownJobError
from serving.jobs.records import OPEN_STATES, Item, Job, Result, State, Submission, Wish
from serving.tables import JOB_ITEMS, JOBS

Enqueue = Callable[[sa.Connection, Submission], None]


def submit(database: Database, submission: Submission, enqueue: Enqueue) -> tuple[Job, bool]:
    """Write a job and queue it in one transaction. Return it, and whether it is new.

    Args:
        database: Of serving.
        submission: The job.
        enqueue: Queues it on the connection of the transaction.

    Raises:
        IdempotencyMismatchError: The key was used for another request.
    """
    try:
        with database.transaction() as connection:
            known = _find_by_key(connection, submission)
            if known is not None:
                return known, False
            _insert(connection, submission)
            enqueue(connection, submission)
            return _read(connection, submission.id), True
    except sa.exc.IntegrityError:  # another node wrote the same key a moment ago
        with database.transaction() as connection:
            known = _find_by_key(connection, submission)
            if known is None:
                raise
            return known, False


def find(database: Database, job_id: str, owner: str | None = None) -> Job:
    """Return a job.

    Args:
        database: Of serving.
        job_id: Its name.
        owner: Name of the caller who must own it, None where anybody may see it.

    Raises:
        UnknownJobError: There is none that the caller may see.
    """
    with database.transaction(only_reads=True) as connection:
        return _read(connection, job_id, owner)


def find_of_voice(database: Database, voice: str) -> list[tuple[str, str]]:
    """Return the names and owners of all jobs that a voice speaks or spoke, also of those that were deleted."""
    chosen = sa.select(JOBS.c.id, JOBS.c.owner).where(JOBS.c.request["voice"].as_string() == voice)
    with database.transaction(only_reads=True) as connection:
        return list(connection.execute(chosen.order_by(JOBS.c.created_at, JOBS.c.id)).tuples())


def claim(database: Database, job_id: str) -> Job | None:
    """Begin a new attempt at a job and return it, or None where it has ended or is gone."""
    with database.transaction() as connection:
        begun = connection.execute(
            sa.update(JOBS)
            .where(JOBS.c.id == job_id, JOBS.c.state.in_(OPEN_STATES))
            .values(
                state="running",
                attempt=JOBS.c.attempt + 1,
                started_at=sa.func.coalesce(JOBS.c.started_at, sa.literal(_now(), JOBS.c.started_at.type)),
            )
        )
        return _read(connection, job_id) if begun.rowcount else None


def is_current(database: Database, job: Job) -> bool:
    """Return whether an attempt is the newest of a job that has not ended."""
    with database.transaction(only_reads=True) as connection:
        return connection.scalar(sa.select(JOBS.c.id).where(current_attempt(job))) is not None


def is_open(database: Database, job_id: str) -> bool:
    """Return whether a job is there and has not ended."""
    with database.transaction(only_reads=True) as connection:
        has_not_ended = (JOBS.c.id == job_id) & JOBS.c.state.in_(OPEN_STATES)
        return connection.scalar(sa.select(JOBS.c.id).where(has_not_ended)) is not None


def freeze_version(database: Database, job: Job, version: int, candidate_id: str) -> bool:
    """Note which version speaks a job, so that its other items get the same one. Return whether the attempt is current.

    Args:
        database: Of serving.
        job: The attempt.
        version: Version of the model.
        candidate_id: Of the version.
    """
    with database.transaction() as connection:
        changed = connection.execute(
            sa.update(JOBS).where(current_attempt(job)).values(version=version, candidate_id=candidate_id)
        )
        return bool(changed.rowcount)


def record(
    database: Database,
    job: Job,
    item: int,
    result: Result,
    *,
    keep_text: bool,
    audit: Mapping[str, Any] | None = None,
) -> bool:
    """Write the result of an item. Return False where the attempt is not the newest, and then nothing was written.

    An attempt may write it again, because the answer to the first time can be lost.

    Args:
        database: Of serving.
        job: The attempt.
        item: Index of the item.
        result: Its speech.
        keep_text: Whether the text stays in the table.
        audit: The row of the audit, with an id of its own, so that it is written once. None where nothing is audited.
    """
    values = {"sha256": result.sha256, "n_bytes": result.n_bytes, "seconds_of_audio": result.seconds_of_audio}
    values |= {"pending_sha256": None, "sentences": list(result.sentences)} | ({} if keep_text else {"text": None})
    with database.transaction() as connection:
        # The lock on the job's row keeps it current until the commit
        if connection.scalar(sa.select(JOBS.c.id).where(current_attempt(job)).with_for_update()) is None:
            return False
        lock_file(database, connection, result.sha256)
        if audit is not None:
            insert_rows(connection, [audit])
        place = (JOB_ITEMS.c.job_id == job.id) & (JOB_ITEMS.c.item == item)
        return bool(connection.execute(sa.update(JOB_ITEMS).where(place).values(values)).rowcount)


def finish(
    database: Database,
    job: Job,
    state: State,
    *,
    keep_text: bool,
    error_type: str | None = None,
    error_message: str | None = None,
) -> bool:
    """End a job. Return False where the attempt is not the newest, and then nothing was written.

    Args:
        database: Of serving.
        job: The attempt.
        state: done, needs_review or failed.
        keep_text: Whether its texts stay in the table.
        error_type: Type of the error that ended it.
        error_message: Its message.
    """
    values = {"state": state, "finished_at": _now(), "error_type": error_type, "error_message": error_message}
    with database.transaction() as connection:
        ended = connection.execute(sa.update(JOBS).where(current_attempt(job)).values(values)).rowcount
        if ended and not keep_text:
            _forget_texts(connection, job.id)
        return bool(ended)


def cancel(database: Database, job_id: str, owner: str, *, keep_text: bool) -> Job:
    """Cancel a job that has not ended. Return it as it is then: one that has ended stays as it is.

    Args:
        database: Of serving.
        job_id: Its name.
        owner: Name of the caller, who must own it.
        keep_text: Whether its texts stay in the table.

    Raises:
        UnknownJobError: There is none that the caller may see.
    """
    with database.transaction() as connection:
        _read(connection, job_id, owner)
        not_ended = (JOBS.c.id == job_id) & JOBS.c.state.in_(OPEN_STATES)
        values = {"state": "cancelled", "finished_at": _now()}
        if connection.execute(sa.update(JOBS).where(not_ended).values(values)).rowcount and not keep_text:
            _forget_texts(connection, job_id)
        return _read(connection, job_id, owner)


def delete(database: Database, job_id: str, owner: str) -> Job:
    """Mark a job as deleted, also one that has not ended, and forget its texts. Return it as it is then.

    Args:
        database: Of serving.
        job_id: Its name.
        owner: Name of the caller, who must own it.

    Raises:
        UnknownJobError: There is none that the caller may see.
    """
    with database.transaction() as connection:
        _read(connection, job_id, owner)
        ended = sa.func.coalesce(JOBS.c.finished_at, sa.literal(_now(), JOBS.c.finished_at.type))
        connection.execute(sa.update(JOBS).where(JOBS.c.id == job_id).values(state="deleted", finished_at=ended))
        _forget_texts(connection, job_id)
        return _read(connection, job_id, owner)


def ended_before(database: Database, moment: datetime, limit: int = 100) -> list[str]:
    """Return the names of jobs that ended before a moment, at most `limit` of them."""
    with database.transaction() as connection:
        old = sa.select(JOBS.c.id).where(JOBS.c.finished_at < moment).order_by(JOBS.c.finished_at).limit(limit)
        return list(connection.scalars(old))


def remove(database: Database, job_id: str) -> None:
    """Delete the rows of a job."""
    with database.transaction() as connection:
        connection.execute(sa.delete(JOB_ITEMS).where(JOB_ITEMS.c.job_id == job_id))
        connection.execute(sa.delete(JOBS).where(JOBS.c.id == job_id))


def current_attempt(job: Job) -> sa.ColumnElement[bool]:
    """Return the condition that an attempt is the newest of a job that has not ended."""
    return (JOBS.c.id == job.id) & (JOBS.c.attempt == job.attempt) & JOBS.c.state.in_(OPEN_STATES)


def _insert(connection: sa.Connection, submission: Submission) -> None:
    row = {
        "id": submission.id,
        "owner": submission.owner,
        "idempotency_key": submission.idempotency_key,
        "fingerprint": submission.fingerprint,
        "request": asdict(submission.wish),
        "state": "queued",
        "attempt": 0,
        "traceparent": submission.traceparent,
        "created_at": _now(),
    }
    connection.execute(sa.insert(JOBS).values(row))
    items = [
        {"job_id": submission.id, "item": item, "text": text, "text_sha256": hashlib.sha256(text.encode()).hexdigest()}
        for item, text in enumerate(submission.texts)
    ]
    connection.execute(sa.insert(JOB_ITEMS), items)


def _find_by_key(connection: sa.Connection, submission: Submission) -> Job | None:
    if submission.idempotency_key is None:
        return None
    same = (JOBS.c.owner == submission.owner) & (JOBS.c.idempotency_key == submission.idempotency_key)
    row = connection.execute(sa.select(JOBS.c.id, JOBS.c.fingerprint).where(same)).first()
    if row is None:
        return None
    if row.fingerprint != submission.fingerprint:
        raise IdempotencyMismatchError("this Idempotency-Key was used for a request with another body")
    return _read(connection, row.id)


def _read(connection: sa.Connection, job_id: str, owner: str | None = None) -> Job:
    row = connection.execute(sa.select(JOBS).where(JOBS.c.id == job_id)).mappings().first()
    if row is None or (owner is not None and row["owner"] != owner):
        raise UnknownJobError(f"this key may see no job {job_id[:40]!r}")
    chosen = sa.select(JOB_ITEMS).where(JOB_ITEMS.c.job_id == job_id).order_by(JOB_ITEMS.c.item)
    items = connection.execute(chosen).mappings().all()  # or SQLite keeps its snapshot where the rest raises an error
    known = {name: row[name] for name in row if name not in ("idempotency_key", "fingerprint", "request")}
    return Job(**known, wish=Wish(**row["request"]), items=tuple(map(_item, items)))


def _item(row: sa.RowMapping) -> Item:
    result = None
    if row["sha256"] is not None:
        sentences = tuple(row["sentences"] or ())
        seconds = row["seconds_of_audio"]
        result = Result(sha256=row["sha256"], n_bytes=row["n_bytes"], seconds_of_audio=seconds, sentences=sentences)
    return Item(item=row["item"], text=row["text"], text_sha256=row["text_sha256"], result=result)


def lock_file(database: Database, connection: sa.Connection, sha256: str) -> None:
    """Keep others from recording or deleting a file until the commit. On SQLite the transaction does so already.

    Args:
        database: Of serving.
        connection: Of the transaction.
        sha256: Of the file.
    """
    if not database.is_sqlite:
        number = int.from_bytes(bytes.fromhex(sha256[:16]), "big", signed=True)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))


def _forget_texts(connection: sa.Connection, job_id: str) -> None:
    connection.execute(sa.update(JOB_ITEMS).where(JOB_ITEMS.c.job_id == job_id).values(text=None))


def _now() -> datetime:
    return datetime.now(UTC)

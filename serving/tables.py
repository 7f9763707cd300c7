"""The tables of serving: keys, jobs and the audit. serving/migrations makes them, and a test holds both equal."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

METADATA = sa.MetaData()


class UtcTime(sa.TypeDecorator[datetime]):
    """A moment in UTC. SQLite keeps no zone, so it is added when a row is read."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Return the moment in UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Return the moment with its zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


KEYS = sa.Table(
    "serving_keys",
    METADATA,
    sa.Column("id", sa.String(16), primary_key=True),  # public: it is the first part of the key
    sa.Column("name", sa.String(100), nullable=False),  # of the owner, as the audit shows it
    sa.Column("secret_sha256", sa.String(64), nullable=False),
    sa.Column("voices", sa.JSON),  # null: all of them, as in the next two
    sa.Column("lanes", sa.JSON),
    sa.Column("purposes", sa.JSON),
    sa.Column("requests_per_minute", sa.Integer),  # null: no limit
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("expires_at", UtcTime),
    sa.Column("revoked_at", UtcTime),
)

JOBS = sa.Table(
    "serving_jobs",
    METADATA,
    sa.Column("id", sa.String(40), primary_key=True),  # also the id of the workflow in DBOS
    sa.Column("owner", sa.String(100), nullable=False),  # name of the caller
    sa.Column("idempotency_key", sa.String(255)),
    sa.Column("fingerprint", sa.String(64), nullable=False),  # sha256 of the request
    sa.Column("request", sa.JSON, nullable=False),  # everything but the texts
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),  # counts the claims; only the newest may write a result
    sa.Column("version", sa.Integer),  # the pair of the first item speaks the others too
    sa.Column("candidate_id", sa.String(100)),
    sa.Column("error_type", sa.String(64)),
    sa.Column("error_message", sa.Text),
    sa.Column("traceparent", sa.String(64)),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("started_at", UtcTime),
    sa.Column("finished_at", UtcTime),
    sa.UniqueConstraint("owner", "idempotency_key", name="serving_jobs_idempotency"),
    sa.Index("serving_jobs_finished", "finished_at"),
)

JOB_ITEMS = sa.Table(
    "serving_job_items",
    METADATA,
    sa.Column("job_id", sa.String(40), sa.ForeignKey("serving_jobs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("item", sa.Integer, primary_key=True),  # from 0
    sa.Column("text", sa.Text),  # null once it is not needed any more
    sa.Column("text_sha256", sa.String(64), nullable=False),
    sa.Column("sha256", sa.String(64)),  # of the file with the speech, null until it is spoken
    sa.Column("pending_sha256", sa.String(64)),  # of a file that may be in the store, and is not the item's yet
    sa.Column("n_bytes", sa.BigInteger),
    sa.Column("seconds_of_audio", sa.Float),
    sa.Column("sentences", sa.JSON),  # outcome and retries of each
    sa.Index("serving_job_items_sha256", "sha256"),
    sa.Index("serving_job_items_pending", "pending_sha256"),
)

NODES = sa.Table(
    "serving_nodes",
    METADATA,
    sa.Column("id", sa.String(40), primary_key=True),  # a process that works on jobs
    sa.Column("beats", sa.BigInteger, nullable=False),  # counts up while it lives
)

REQUESTS = sa.Table(
    "serving_requests",
    METADATA,
    sa.Column("id", sa.String(40), primary_key=True),  # made with the row, so that it is written once
    sa.Column("request_id", sa.String(100), nullable=False),
    sa.Column("trace_id", sa.String(32)),
    sa.Column("started_at", UtcTime, nullable=False),
    sa.Column("route", sa.String(16), nullable=False),
    sa.Column("lane", sa.String(16), nullable=False),
    sa.Column("caller", sa.String(100), nullable=False),
    sa.Column("voice", sa.String(100), nullable=False),
    sa.Column("version", sa.Integer),
    sa.Column("candidate_id", sa.String(100)),
    sa.Column("preset", sa.String(100), nullable=False),
    sa.Column("language", sa.String(20)),
    sa.Column("purpose", sa.String(100)),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("format", sa.String(16), nullable=False),
    sa.Column("n_characters", sa.Integer, nullable=False),
    sa.Column("text_sha256", sa.String(64), nullable=False),
    sa.Column("text", sa.Text),  # null unless serve.keep_text
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("error_type", sa.String(64)),
    sa.Column("client_left", sa.Boolean, nullable=False),
    sa.Column("cache", sa.String(16)),  # hit, part or miss, null where nothing was spoken
    sa.Column("seconds_of_audio", sa.Float),
    sa.Column("first_audio_seconds", sa.Float),
    sa.Column("total_seconds", sa.Float, nullable=False),
    sa.Column("part_seconds", sa.JSON, nullable=False),  # of work: queue, text, gpt, sovits
    sa.Column("sentences", sa.JSON, nullable=False),  # text_sha256, outcome and retries of each
    sa.Column("n_bytes", sa.BigInteger, nullable=False),
    sa.Index("serving_requests_started", "started_at"),
    sa.Index("serving_requests_trace", "trace_id"),
)

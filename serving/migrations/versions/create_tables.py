"""Make the tables for keys, jobs and the audit."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "create_tables"
down_revision = None
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make all tables."""
    _create_keys()
    _create_jobs()
    _create_job_items()
    _create_nodes()
    _create_requests()


def _create_keys() -> None:
    op.create_table(
        "serving_keys",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("secret_sha256", sa.String(length=64), nullable=False),
        sa.Column("voices", sa.JSON()),
        sa.Column("lanes", sa.JSON()),
        sa.Column("purposes", sa.JSON()),
        sa.Column("requests_per_minute", sa.Integer()),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT),
        sa.Column("revoked_at", MOMENT),
        sa.PrimaryKeyConstraint("id"),
    )


def _create_jobs() -> None:
    op.create_table(
        "serving_jobs",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("owner", sa.String(length=100), nullable=False),
        sa.Column("idempotency_key", sa.String(length=255)),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer()),
        sa.Column("candidate_id", sa.String(length=100)),
        sa.Column("error_type", sa.String(length=64)),
        sa.Column("error_message", sa.Text()),
        sa.Column("traceparent", sa.String(length=64)),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT),
        sa.Column("finished_at", MOMENT),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("owner", "idempotency_key", name="serving_jobs_idempotency"),
    )
    op.create_index("serving_jobs_finished", "serving_jobs", ["finished_at"], unique=False)


def _create_job_items() -> None:
    op.create_table(
        "serving_job_items",
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("item", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text()),
        sa.Column("text_sha256", sa.String(length=64), nullable=False),
        sa.Column("sha256", sa.String(length=64)),
        sa.Column("n_bytes", sa.BigInteger()),
        sa.Column("seconds_of_audio", sa.Float()),
        sa.Column("sentences", sa.JSON()),
        sa.ForeignKeyConstraint(["job_id"], ["serving_jobs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "item"),
    )
    op.create_index("serving_job_items_sha256", "serving_job_items", ["sha256"], unique=False)


def _create_nodes() -> None:
    op.create_table(
        "serving_nodes",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("beats", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def _create_requests() -> None:
    op.create_table(
        "serving_requests",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("request_id", sa.String(length=100), nullable=False),
        sa.Column("trace_id", sa.String(length=32)),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("route", sa.String(length=16), nullable=False),
        sa.Column("lane", sa.String(length=16), nullable=False),
        sa.Column("caller", sa.String(length=100), nullable=False),
        sa.Column("voice", sa.String(length=100), nullable=False),
        sa.Column("version", sa.Integer()),
        sa.Column("candidate_id", sa.String(length=100)),
        sa.Column("preset", sa.String(length=100), nullable=False),
        sa.Column("language", sa.String(length=20)),
        sa.Column("purpose", sa.String(length=100)),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("format", sa.String(length=16), nullable=False),
        sa.Column("n_characters", sa.Integer(), nullable=False),
        sa.Column("text_sha256", sa.String(length=64), nullable=False),
        sa.Column("text", sa.Text()),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("error_type", sa.String(length=64)),
        sa.Column("client_left", sa.Boolean(), nullable=False),
        sa.Column("cache", sa.String(length=16)),
        sa.Column("seconds_of_audio", sa.Float()),
        sa.Column("first_audio_seconds", sa.Float()),
        sa.Column("total_seconds", sa.Float(), nullable=False),
        sa.Column("part_seconds", sa.JSON(), nullable=False),
        sa.Column("sentences", sa.JSON(), nullable=False),
        sa.Column("n_bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("serving_requests_started", "serving_requests", ["started_at"], unique=False)
    op.create_index("serving_requests_trace", "serving_requests", ["trace_id"], unique=False)

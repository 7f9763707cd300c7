"""Make the tables of campaigns."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "create_campaigns"
down_revision = None
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make all tables."""
    _create_campaigns()
    _create_rows()
    _create_webhooks()


def _create_campaigns() -> None:
    op.create_table(
        "campaigns",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("owner", sa.String(length=100), nullable=False),
        sa.Column("plan", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("candidate_id", sa.String(length=100), nullable=False),
        sa.Column("error_type", sa.String(length=64)),
        sa.Column("error_message", sa.Text()),
        sa.Column("rejects", sa.JSON(), nullable=False),
        sa.Column("expected_seconds", sa.Float()),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("submitted_at", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT),
        sa.Column("finished_at", MOMENT),
        sa.Column("content_deleted_at", MOMENT),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("owner", "name", name="campaigns_name"),
    )


def _create_rows() -> None:
    op.create_table(
        "campaign_rows",
        sa.Column("campaign_id", sa.String(length=40), nullable=False),
        sa.Column("recipient_id", sa.String(length=200), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("slice", sa.Integer(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("row_sha256", sa.String(length=64), nullable=False),
        sa.Column("text_sha256", sa.String(length=64), nullable=False),
        sa.Column("opt_in_sha256", sa.String(length=64)),
        sa.Column("content", sa.LargeBinary()),
        sa.Column("language", sa.String(length=20)),
        sa.Column("trace_id", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("claim", sa.String(length=120)),
        sa.Column("version", sa.Integer()),
        sa.Column("candidate_id", sa.String(length=100)),
        sa.Column("object_key", sa.String(length=300)),
        sa.Column("sidecar_key", sa.String(length=300)),
        sa.Column("is_marked", sa.Boolean()),
        sa.Column("former_keys", sa.Text()),
        sa.Column("sha256", sa.String(length=64)),
        sa.Column("n_bytes", sa.BigInteger()),
        sa.Column("seconds", sa.Float()),
        sa.Column("reused_seconds", sa.Float()),
        sa.Column("gpt_seconds", sa.Float()),
        sa.Column("sovits_seconds", sa.Float()),
        sa.Column("sentences", sa.JSON()),
        sa.Column("wer", sa.Float()),
        sa.Column("similarity", sa.Float()),
        sa.Column("loudness_lufs", sa.Float()),
        sa.Column("error_type", sa.String(length=64)),
        sa.Column("error_message", sa.Text()),
        sa.Column("finished_at", MOMENT),
        sa.Column("deleted_at", MOMENT),
        sa.PrimaryKeyConstraint("campaign_id", "recipient_id"),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], ondelete="CASCADE"),
    )
    op.create_index("campaign_rows_object", "campaign_rows", ["object_key"])
    op.create_index("campaign_rows_sidecar", "campaign_rows", ["sidecar_key"])
    op.create_index("campaign_rows_slice", "campaign_rows", ["campaign_id", "slice", "state"])
    op.create_index("campaign_rows_state", "campaign_rows", ["campaign_id", "state", "place"])


def _create_webhooks() -> None:
    op.create_table(
        "campaign_webhooks",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("campaign_id", sa.String(length=40), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", MOMENT),
        sa.Column("delivered_at", MOMENT),
        sa.Column("last_error", sa.Text()),
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], ondelete="CASCADE"),
    )
    op.create_index("campaign_webhooks_next", "campaign_webhooks", ["next_at"])

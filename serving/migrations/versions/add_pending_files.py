"""Add the file that an item is about to have, so that it is deleted where the process dies before it has it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "add_pending_files"
down_revision = "create_tables"


def upgrade() -> None:
    """Add the column and its index."""
    op.add_column("serving_job_items", sa.Column("pending_sha256", sa.String(length=64)))
    op.create_index("serving_job_items_pending", "serving_job_items", ["pending_sha256"], unique=False)

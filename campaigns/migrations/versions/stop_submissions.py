"""Note which submission was stopped, so that one that is under way gives up."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "stop_submissions"
down_revision = "create_campaigns"


def upgrade() -> None:
    """Add the column. Its default lets nodes of the version before go on."""
    op.add_column("campaigns", sa.Column("stopped_run", sa.Integer(), nullable=False, server_default="0"))

"""Note that a person wants what was delivered deleted, so that it is done also after an outage."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "delete_delivered"
down_revision = "stop_submissions"


def upgrade() -> None:
    """Add the column. Its default lets nodes of the version before go on."""
    op.add_column("campaigns", sa.Column("delete_delivered", sa.Boolean(), nullable=False, server_default=sa.false()))

"""Run the migrations on the connection that `migrate_campaigns` hands over. Alembic executes this module."""

from __future__ import annotations

from alembic import context

from campaigns.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table="campaigns_version",  # serving and MLflow have versions of their own in the same database
)
with context.begin_transaction():
    context.run_migrations()

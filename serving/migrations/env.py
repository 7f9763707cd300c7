"""Run the migrations on the connection that Database.migrate hands over. Alembic executes this module."""

from __future__ import annotations

from alembic import context

from serving.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table="serving_version",  # MLflow has an alembic_version, and may share the database
)
with context.begin_transaction():
    context.run_migrations()

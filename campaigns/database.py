"""The tables of campaigns in the database of serving."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from serving.database import Database

MIGRATION_LOCK = 0x766F785F63616D70  # number of the advisory lock in PostgreSQL


def migrate_campaigns(database: Database) -> None:
    """Make the tables, or bring them up to date. Two processes that start at once take turns.

    Args:
        database: Of serving, migrated.
    """
    config = Config()
    config.set_main_option("script_location", "campaigns:migrations")
    with database.transaction() as connection:
        if not database.is_sqlite:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

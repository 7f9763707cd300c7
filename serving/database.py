"""The database of serving: keys, jobs and the audit. It is not the database of the registry's journal.

By default it is the file .vox/serving.db of the project. VOXFOUNDRY_SERVING_DATABASE_URI names another one, such as
postgresql://USER:PASSWORD@HOST/NAME for several nodes. All tables are made, and brought up to date, by `migrate`.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.exc import ArgumentError

from registry.storage.database import POSTGRES_CONNECTION
from registry.storage.store import without_password
from serving.errors import DatabaseUnreachableError, ServingError

DEFAULT_FILE = Path(".vox/serving.db")
SETTING = "VOXFOUNDRY_SERVING_DATABASE_URI"
BUSY_SECONDS = 30.0  # how long a writer of SQLite waits for the one before it
MIGRATION_LOCK = 0x766F785F73657276  # number of the advisory lock in PostgreSQL
POOL = {"pool_size": 5, "max_overflow": 5, "pool_timeout": 5, "pool_pre_ping": True, "pool_recycle": 1800}
LOG = logging.getLogger(__name__)


class DatabaseSettingError(ServingError, ValueError):
    """The setting names no database that can be used. The message says what to write."""


class Database:
    """Opens transactions on the database of serving.

    Attributes:
        uri: SQLAlchemy's address. It may hold a password, so it is not shown.
        is_sqlite: Whether it is a file.
    """

    def __init__(self, uri: str) -> None:
        """Prepare the engine. No connection is opened yet."""
        self.uri, self.is_sqlite = uri, uri.startswith("sqlite")
        self.engine = _file_engine(uri) if self.is_sqlite else _server_engine(uri)

    @property
    def shown(self) -> str:
        """Return the address without its secrets."""
        return without_password(self.uri)

    @property
    def exists(self) -> bool:
        """Return whether there can be tables: it is a server, or a file that somebody made."""
        return not self.is_sqlite or _file_of(self.uri).is_file()

    @contextmanager
    def transaction(self, *, only_reads: bool = False) -> Iterator[sa.Connection]:
        """Open a transaction. It is committed at the end and undone on an exception.

        Args:
            only_reads: Nothing is written, so on SQLite it waits for no writer.

        Raises:
            DatabaseUnreachableError: The database cannot be reached, or the connection was lost.
        """
        try:
            with self.engine.execution_options(only_reads=only_reads).begin() as connection:
                yield connection
        except sa.exc.IntegrityError:
            raise
        except (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError, sa.exc.InternalError) as error:
            # SQLAlchemy's own message holds the statement with its values, so only the driver's reason is kept
            reason = str(getattr(error, "orig", error)).strip().partition("\n")[0]
            LOG.warning("the database of serving %s cannot be used: %s", self.shown, reason)
            raise DatabaseUnreachableError("the database of the service cannot be used now", retry_after=2) from None

    def migrate(self) -> None:
        """Make the tables, or bring them up to date. Two processes that start at once take turns."""
        if self.is_sqlite:
            _file_of(self.uri).parent.mkdir(parents=True, exist_ok=True)
            _file_of(self.uri).touch(mode=0o600)  # it holds what jobs are to say
        config = Config()
        config.set_main_option("script_location", "serving:migrations")
        with self.transaction() as connection:
            if not self.is_sqlite:  # on SQLite the transaction keeps other writers out
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def close(self) -> None:
        """Close the connections that wait in the pool."""
        self.engine.dispose()


def open_database(root: Path, environ: Mapping[str, str] = os.environ) -> Database:
    """Return the database of a project.

    Args:
        root: The project's folder.
        environ: The settings of the process.

    Raises:
        DatabaseSettingError: The setting is not the address of a database.
    """
    uri = environ.get(SETTING, "").strip() or f"sqlite:///{root.absolute() / DEFAULT_FILE}"
    if uri.startswith("postgres://"):  # SQLAlchemy dropped this spelling, but hosting providers still use it
        uri = "postgresql://" + uri.removeprefix("postgres://")
    shown = without_password(uri)
    try:
        url = sa.make_url(uri)
    except (ArgumentError, ValueError) as error:
        raise DatabaseSettingError(f"{SETTING} is {shown!r}; write postgresql://USER:PASSWORD@HOST/NAME") from error
    if url.get_backend_name() not in ("sqlite", "postgresql") or url.database in (None, "", ":memory:"):
        raise DatabaseSettingError(f"{SETTING} is {shown!r}; it must name sqlite:///FILE or postgresql://HOST/NAME")
    return Database(uri)


def _file_of(uri: str) -> Path:
    return Path(str(sa.make_url(uri).database))


def _server_engine(uri: str) -> sa.Engine:
    try:
        return sa.create_engine(uri, connect_args=POSTGRES_CONNECTION, hide_parameters=True, **POOL)
    except ModuleNotFoundError as error:
        raise DatabaseSettingError(
            f"{SETTING} is PostgreSQL and the driver {error.name} is not installed; pip install 'voxfoundry[postgres]'"
        ) from error


def _file_engine(uri: str) -> sa.Engine:
    connect = {"timeout": BUSY_SECONDS, "check_same_thread": False}
    engine = sa.create_engine(uri, connect_args=connect, hide_parameters=True)

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # sqlite3 would begin at the first INSERT, after our SELECT
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        only_reads = connection.get_execution_options().get("only_reads", False)
        connection.exec_driver_sql("BEGIN" if only_reads else "BEGIN IMMEDIATE")

    return engine

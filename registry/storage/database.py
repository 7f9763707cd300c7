"""The database of the journals: transactions, snapshots, and the lock that lets one release happen at a time."""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from registry.errors import RegistryError
from registry.storage.store import Store, StoreError, without_password

WAIT_SECONDS = 60.0  # how long one release waits for another
# Of libpq: a server that does not answer is given up, and a network that forgets idle connections is kept awake
POSTGRES_CONNECTION = {
    "connect_timeout": 10,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,  # ms, for a question that is under way. The kernel alone would send it for 15 min
    "application_name": "voxfoundry",
}
METADATA = sa.MetaData()


class BusyError(RegistryError, RuntimeError):
    """Another process holds the lock for longer than we wait."""


class DatabaseUnreachableError(RegistryError, RuntimeError):
    """The database server does not answer, refuses us, or went away. The message says why."""


class LockLostError(RegistryError, RuntimeError):
    """The database ended our session and with it the lock, so another process may have acted meanwhile."""


def create_engine(store: Store, begin: str = "BEGIN") -> sa.Engine:
    """Return an engine for a store's database, which opens a connection whenever one is wanted and keeps none.

    Args:
        store: Whose database it is.
        begin: How a transaction starts on SQLite. BEGIN IMMEDIATE also keeps other writers out.

    Raises:
        StoreError: The driver of the database is not installed.
    """
    return _server_engine(store.database_uri) if store.sqlite_file is None else _file_engine(store.database_uri, begin)


@lru_cache(maxsize=8)  # an engine remembers what the server is, and every statement that it compiled
def _server_engine(uri: str) -> sa.Engine:
    try:
        result = sa.create_engine(uri, poolclass=NullPool, connect_args=POSTGRES_CONNECTION)
    except ModuleNotFoundError as error:
        raise StoreError(
            f"the database is PostgreSQL and the driver {error.name} is not installed; "
            "install it with the extra, pip install 'voxfoundry[postgres]', and write the address as postgresql://"
        ) from error
    sa.event.listen(result, "handle_error", _explain_outage)
    # After an error that is answered here, such as a row that another process wrote first, the driver also warns
    # that its pipeline was aborted
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    return result


@lru_cache(maxsize=8)
def _file_engine(uri: str, begin: str) -> sa.Engine:
    result = sa.create_engine(uri, poolclass=NullPool, connect_args={"timeout": WAIT_SECONDS})

    # sqlite3 begins a transaction at the first INSERT, after our SELECT: two writers would read the same last row
    @sa.event.listens_for(result, "connect")
    def _no_implicit_begin(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None
        # text that is not UTF-8 was put there by somebody else: it must be found as changed, and not stop the reading
        connection.text_factory = lambda data: data.decode(errors="replace")

    @sa.event.listens_for(result, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(begin)

    return result


@contextmanager
def append_transaction(store: Store) -> Iterator[sa.Connection]:
    """Open a transaction in which nobody else appends. It is committed at the end and undone on an exception."""
    if store.sqlite_file is not None:
        store.sqlite_file.parent.mkdir(parents=True, exist_ok=True)
    with create_engine(store, begin="BEGIN IMMEDIATE").connect() as connection, connection.begin():
        if store.sqlite_file is None:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_lock_number("append"))))
        METADATA.create_all(connection)
        yield connection


@contextmanager
def open_snapshot(store: Store) -> Iterator[sa.Connection | None]:
    """Open a transaction that sees the database as it was at one moment, or None where there is no database yet."""
    if store.sqlite_file is not None and not store.sqlite_file.is_file():
        yield None
        return
    with create_engine(store).connect() as connection:
        if store.sqlite_file is None:  # a transaction of SQLite is a snapshot by itself
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


def missing_tables(connection: sa.Connection, *tables: sa.TableClause) -> list[str]:
    """Return the names of those tables that the database does not have."""
    inspector = sa.inspect(connection)
    return [table.name for table in tables if not inspector.has_table(table.name)]


@contextmanager
def exclusive_lock(store: Store, name: str, wait_seconds: float = WAIT_SECONDS) -> Iterator[None]:
    """Hold the lock `name`. It is free again when the holder dies, whatever kills it.

    On SQLite the lock is a small separate database beside the journal's. A lock on mlflow.db itself would also stop
    MLflow's own connection, which moves the alias while we hold the lock. On PostgreSQL it is an advisory lock of the
    session.

    Args:
        store: Whose database the lock belongs to.
        name: What is locked, such as `release-anna`.
        wait_seconds: How long to wait for another holder.

    Raises:
        BusyError: Another process held the lock all that time.
        LockLostError: PostgreSQL ended the session while the lock was held.
        StoreError: The lock file cannot be written.
    """
    with (_advisory_lock if store.sqlite_file is None else _file_lock)(store, name, wait_seconds):
        yield


@contextmanager
def _file_lock(store: Store, name: str, wait_seconds: float) -> Iterator[None]:
    assert store.sqlite_file is not None
    store.sqlite_file.parent.mkdir(parents=True, exist_ok=True)
    path = store.sqlite_file.with_name(f"{store.sqlite_file.name}.{name}.lock")
    connection = sqlite3.connect(path, timeout=wait_seconds, isolation_level=None)
    try:
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise StoreError(
                    f"{path}: the lock cannot be taken ({error}); make the folder writable, and its disk not full"
                ) from error
            raise _busy(name, wait_seconds) from error
        yield
    finally:
        connection.close()


@contextmanager
def _advisory_lock(store: Store, name: str, wait_seconds: float) -> Iterator[None]:
    lock, deadline = _lock_number(name), time.monotonic() + wait_seconds
    # Without AUTOCOMMIT the session would sit in an open transaction, which servers end after a while
    engine = create_engine(store).execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        # The session is idle while we work. PostgreSQL before 14 lacks this setting, and then no row is found
        no_timeout = "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout'"
        connection.execute(sa.text(no_timeout))
        while not connection.scalar(sa.select(sa.func.pg_try_advisory_lock(lock))):
            if time.monotonic() > deadline:
                raise _busy(name, wait_seconds)
            time.sleep(0.1)
        yield  # after an exception, closing the connection ends the session and with it the lock
        try:
            is_held = connection.scalar(sa.select(sa.func.pg_advisory_unlock(lock)))
        except (sa.exc.DBAPIError, DatabaseUnreachableError):
            is_held = False
        if not is_held:
            raise LockLostError(
                f"the database ended the session that held the lock {name!r}, so another process may have acted "
                "meanwhile; run `vox audit` and look at `vox releases`"
            )


def _explain_outage(context: sa.ExceptionContext) -> None:
    """Turn SQLAlchemy's error into ours where there is no connection any more, or never was one."""
    if context.connection is None or context.is_disconnect:
        reason = (
            str(context.original_exception).strip().partition("\n")[0].removeprefix("connection failed: ").rstrip(".")
        )
        where = without_password(str(context.engine.url))
        raise DatabaseUnreachableError(
            f"the database {where} cannot be used ({reason}); once it answers, give the command again: a release that "
            "was under way is then finished or undone"
        ) from context.original_exception


def canonical(data: Mapping[str, Any]) -> str:
    """Return the one JSON text of a mapping, which is what is hashed and signed."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def sha256_text(text: str) -> str:
    """Return the sha256 of a text's UTF-8 bytes, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def _busy(name: str, wait_seconds: float) -> BusyError:
    return BusyError(
        f"another process has held {name!r} for more than {wait_seconds:.0f} s; wait until it is done and try again"
    )


def _lock_number(name: str) -> int:
    """Return the 63-bit number by which PostgreSQL knows an advisory lock."""
    return int.from_bytes(hashlib.sha256(f"voxfoundry {name}".encode()).digest()[:8]) >> 1

"""The journal's database: engine, append transactions, and the lock that lets one release happen at a time."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from registry.storage.store import Store, StoreError

WAIT_SECONDS = 60.0  # how long one release waits for another
METADATA = sa.MetaData()


class BusyError(RuntimeError):
    """Another process holds the lock for longer than we wait."""


def engine(store: Store, begin: str = "BEGIN") -> sa.Engine:
    """An engine without a pool: a command line opens one or two connections and ends.

    begin: how a transaction starts on SQLite; BEGIN IMMEDIATE also keeps other writers out.
    """
    if store.sqlite_file is None:
        try:
            return sa.create_engine(store.database_uri, poolclass=NullPool)
        except ModuleNotFoundError as error:
            raise StoreError(
                f"the database is PostgreSQL and the driver {error.name} is not installed; "
                "install psycopg2-binary into the environment"
            ) from error
    result = sa.create_engine(store.database_uri, poolclass=NullPool, connect_args={"timeout": WAIT_SECONDS})

    # sqlite3 begins a transaction at the first INSERT, after our SELECT: two writers would read the same last row
    @sa.event.listens_for(result, "connect")
    def _no_implicit_begin(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None

    @sa.event.listens_for(result, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(begin)

    return result


@contextmanager
def appending(store: Store) -> Iterator[sa.Connection]:
    """A transaction in which nobody else appends; committed at the end, undone on an exception."""
    if store.sqlite_file is not None:
        store.sqlite_file.parent.mkdir(parents=True, exist_ok=True)
    with engine(store, begin="BEGIN IMMEDIATE").connect() as connection, connection.begin():
        if store.sqlite_file is None:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_lock_number("append"))))
        METADATA.create_all(connection)
        yield connection


def rows_of(store: Store, table: sa.Table) -> list[dict[str, Any]]:
    """Every row of a table by number, as it is stored; none where the table or the file does not exist yet."""
    return snapshot(store, table)[0]


def snapshot(store: Store, *tables: sa.Table) -> list[list[dict[str, Any]]]:
    """`rows_of` several tables as they were at one moment: what is appended meanwhile is in all of them or in none."""
    if store.sqlite_file is not None and not store.sqlite_file.is_file():
        return [[] for _ in tables]
    with engine(store).connect() as connection:
        if store.sqlite_file is None:  # a transaction of SQLite is a snapshot by itself
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        there = [sa.inspect(connection).has_table(table.name) for table in tables]
        return [
            [dict(row._mapping) for row in connection.execute(sa.select(table).order_by(table.c.number))]
            if is_there
            else []
            for table, is_there in zip(tables, there, strict=True)
        ]


@contextmanager
def exclusive(store: Store, name: str, wait_seconds: float = WAIT_SECONDS) -> Iterator[None]:
    """Hold the lock `name`; it is free again when the holder dies, whatever kills it. Raises BusyError.

    SQLite: the lock is its own small database beside the journal's. A lock on mlflow.db itself would also stop MLflow's
    own connection, which moves the alias while we hold the lock. PostgreSQL: an advisory lock of the session.
    """
    if store.sqlite_file is not None:
        store.sqlite_file.parent.mkdir(parents=True, exist_ok=True)
        path = store.sqlite_file.with_name(f"{store.sqlite_file.name}.{name}.lock")
        connection = sqlite3.connect(path, timeout=wait_seconds, isolation_level=None)
        try:
            try:
                connection.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                    raise StoreError(f"{path}: the lock cannot be taken ({error}); make the folder writable") from error
                raise _busy(name, wait_seconds) from error
            yield
        finally:
            connection.close()
    else:
        lock, deadline = _lock_number(name), time.monotonic() + wait_seconds
        with engine(store).connect() as connection:
            while not connection.scalar(sa.select(sa.func.pg_try_advisory_lock(lock))):
                if time.monotonic() > deadline:
                    raise _busy(name, wait_seconds)
                time.sleep(0.1)
            yield  # closing the connection ends the session and with it the lock


def canonical(data: Mapping[str, Any]) -> str:
    """The one JSON text of a mapping: what is hashed and signed."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def sha256_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _busy(name: str, wait_seconds: float) -> BusyError:
    return BusyError(
        f"another process has held {name!r} for more than {wait_seconds:.0f} s; wait until it is done and try again"
    )


def _lock_number(name: str) -> int:
    """A 63-bit number for PostgreSQL, which names its advisory locks so."""
    return int.from_bytes(hashlib.sha256(f"voxfoundry {name}".encode()).digest()[:8]) >> 1

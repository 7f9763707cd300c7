"""The lock between releases on a real PostgreSQL."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from postgres_server import Postgres

from registry.storage.database import BusyError, LockLostError, append_transaction, exclusive_lock
from registry.storage.store import Store


@pytest.fixture
def database(postgres: Postgres) -> str:
    return postgres.make_database()


@pytest.fixture
def lock_store(postgres: Postgres, database: str, tmp_path: Path) -> Store:
    return Store(tmp_path, postgres.url(database), postgres.url(database), None)


def assert_taken(store: Store, name: str = "release-anna") -> None:
    with pytest.raises(BusyError, match=f"another process has held '{name}'"), exclusive_lock(store, name, 0.2):
        pass


def test_lock_of_another_process_is_waited_for_and_is_free_after_a_kill(lock_store, tmp_path):
    child = os.fork()
    if child == 0:
        with exclusive_lock(lock_store, "release-anna"):
            (tmp_path / "held").touch()
            signal.pause()
    while not (tmp_path / "held").exists():
        time.sleep(0.01)
    with exclusive_lock(lock_store, "release-bob"):  # another voice is free
        pass
    assert_taken(lock_store)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with exclusive_lock(lock_store, "release-anna", 5):
        pass


@pytest.mark.parametrize("setting", ["idle_in_transaction_session_timeout", "idle_session_timeout"])
def test_lock_outlasts_the_time_that_a_server_allows_an_idle_session(postgres, database, lock_store, setting):
    postgres.execute(f"ALTER DATABASE {database} SET {setting} = '100ms'")
    with exclusive_lock(lock_store, "release-anna"):
        time.sleep(0.4)
        assert_taken(lock_store)


def test_lock_that_an_administrator_took_away_is_reported_at_the_end(postgres, database, lock_store, caplog):
    with pytest.raises(LockLostError, match=r"ended the session .* run `vox audit`"):  # noqa: SIM117
        with exclusive_lock(lock_store, "release-anna"):
            postgres.cut_connections(database)
    assert not caplog.records  # no traceback of a library beside our sentence
    with exclusive_lock(lock_store, "release-anna", 5):
        pass


def test_exception_under_a_lost_lock_is_not_hidden(postgres, database, lock_store):
    with pytest.raises(ZeroDivisionError), exclusive_lock(lock_store, "release-anna"):
        postgres.cut_connections(database)
        _ = 1 / 0


def test_a_row_that_was_there_first_is_an_error_without_a_warning_of_the_driver(lock_store, caplog):
    table = sa.Table("numbered", sa.MetaData(), sa.Column("number", sa.Integer, primary_key=True))
    with append_transaction(lock_store) as connection:
        table.create(connection)
        connection.execute(table.insert(), {"number": 1})
    with pytest.raises(sa.exc.IntegrityError), append_transaction(lock_store) as connection:
        connection.execute(table.insert(), [{"number": number} for number in range(1, 1000)])
    assert [record.message for record in caplog.records if record.name == "psycopg"] == []

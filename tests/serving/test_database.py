"""The database of serving: its address, its migrations, and what happens when it goes away."""

from __future__ import annotations

import logging
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from imports import ROOT
from postgres_server import running_postgres

from serving.database import SETTING, DatabaseSettingError, open_database
from serving.errors import DatabaseUnreachableError
from serving.tables import KEYS, METADATA


def test_migrations_make_the_tables_that_the_code_describes(serving_database):
    with serving_database.transaction() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"include_object": lambda _, name, kind, *__: kind != "table" or name in METADATA.tables},
        )
        assert compare_metadata(context, METADATA) == []


def test_a_second_migration_changes_nothing(serving_database):
    serving_database.migrate()
    with serving_database.transaction() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(KEYS)) == 0


def test_nodes_that_start_together_migrate_once(postgres):
    uri = postgres.url(postgres.make_database())

    def start(_: int) -> None:
        opened = open_database(ROOT, {SETTING: uri})
        opened.migrate()
        opened.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(start, range(4)))


def test_without_a_setting_it_is_a_file_of_the_project(tmp_path):
    opened = open_database(tmp_path, {})
    opened.migrate()
    assert (tmp_path / ".vox/serving.db").stat().st_mode & 0o077 == 0  # nobody else may read it


@pytest.mark.parametrize("uri", ["mysql://host/name", "sqlite://", "serving.db", "postgresql://host", "x" * 10_000])
def test_an_address_that_cannot_be_used_is_refused(uri, tmp_path):
    with pytest.raises(DatabaseSettingError, match=SETTING):
        open_database(tmp_path, {SETTING: uri})


def test_a_password_is_not_in_the_message_about_a_wrong_address(tmp_path):
    with pytest.raises(DatabaseSettingError) as caught:
        open_database(tmp_path, {SETTING: "mysql://anna:sesame@host/name"})
    assert "sesame" not in str(caught.value)


def test_an_outage_is_a_documented_error_and_the_next_transaction_after_it_works(tmp_path, caplog):
    with running_postgres(synchronous_commit="on") as server:  # or a crash loses the last commits
        opened = open_database(tmp_path, {SETTING: server.url(server.make_database())})
        opened.migrate()
        server.stop(crash=True)
        caplog.set_level(logging.WARNING)
        with pytest.raises(DatabaseUnreachableError), opened.transaction() as connection:
            connection.execute(sa.insert(KEYS).values(id="1", name="a word that nobody may read"))
        server.start()
        with opened.transaction() as connection:
            assert connection.scalar(sa.select(sa.func.count()).select_from(KEYS)) == 0
        opened.close()
    assert "nobody may read" not in caplog.text
    assert server.password not in caplog.text


def test_importing_it_loads_neither_torch_nor_mlflow():
    code = "import sys, serving.database, serving.keys.authorization; print({'torch', 'mlflow'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert out.stdout.strip() == "set()"


def test_an_error_of_the_database_does_not_hold_what_was_to_be_written(tmp_path):
    opened = open_database(tmp_path, {})
    opened.migrate()
    with pytest.raises(sa.exc.IntegrityError) as error, opened.transaction() as connection:
        connection.execute(sa.insert(KEYS).values(id="k1", name="Words that stay here.", secret_sha256=None))
    assert "[SQL" in str(error.value)
    assert "Words" not in str(error.value)
    opened.close()

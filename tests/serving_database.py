"""Databases of serving for tests: a file, and one on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from serving.database import SETTING, Database, open_database

DATABASES = ("SQLite", "PostgreSQL")


def database_uri(kind: str, folder, request: pytest.FixtureRequest) -> str:
    """Return the address of an empty database."""
    if kind == "SQLite":
        return f"sqlite:///{folder / 'serving.db'}"
    server = request.getfixturevalue("postgres")
    return server.url(server.make_database())


@pytest.fixture(params=DATABASES)
def serving_database(request, tmp_path) -> Iterator[Database]:
    """A migrated database, once of each kind."""
    opened = open_database(tmp_path, {SETTING: database_uri(request.param, tmp_path, request)})
    opened.migrate()
    yield opened
    opened.close()

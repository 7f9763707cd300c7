"""What tests of campaigns share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from campaign_nodes import open_tables
from dbos import DBOS
from job_helpers import make_queues

from campaigns.database import migrate_campaigns
from campaigns.execution.plan import QUEUE, WORKFLOW
from serving.database import SETTING, Database, open_database


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database with all tables and queues, which takes two seconds to make."""
    folder = tmp_path_factory.mktemp("campaigns")
    opened = open_tables(folder, f"sqlite:///{folder / 'serving.db'}")
    make_queues(opened, (WORKFLOW, QUEUE))
    opened.close()
    return folder / "serving.db"


@pytest.fixture
def database(tmp_path: Path, template: Path) -> Iterator[Database]:
    """A copy of that database, in which nothing was submitted yet."""
    file = tmp_path / "serving.db"
    shutil.copy(template, file)
    opened = open_database(tmp_path, {SETTING: f"sqlite:///{file}"})
    yield opened
    opened.close()


@pytest.fixture
def each_database(serving_database: Database) -> Database:
    """A database with all tables, once of each kind."""
    migrate_campaigns(serving_database)
    DBOS.migrate(serving_database.uri)
    return serving_database

"""What tests of campaigns share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from campaign_nodes import open_tables

from serving.database import Database


@pytest.fixture
def database(tmp_path) -> Iterator[Database]:
    """The tables of campaigns in an empty SQLite database."""
    opened = open_tables(tmp_path, f"sqlite:///{tmp_path / 'serving.db'}")
    yield opened
    opened.close()

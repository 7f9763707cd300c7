"""A project whose clips can be reviewed, and its page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from review_helpers import make_reviewable, reviewing


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project that no test may change."""
    return make_reviewable(tmp_path_factory.mktemp("made") / "project")


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Path:
    """Return a copy of it."""
    return shutil.copytree(made, tmp_path / "project")


@pytest.fixture
def address(project: Path) -> Iterator[str]:
    """Return the address of its review page."""
    with reviewing(project) as (_, url):
        yield url

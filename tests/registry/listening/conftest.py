"""A champion and a candidate whose utterances can be heard, made once for all tests of listening."""

from __future__ import annotations

from pathlib import Path

import pytest
from listening_helpers import copy_release, make_release

from registry.listening.trials import Listening, open_listening
from registry.storage.store import Store


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a champion and a candidate on which nobody has voted."""
    root = tmp_path_factory.mktemp("released")
    make_release(root)
    return root


@pytest.fixture
def store(released: Path, tmp_path: Path) -> Store:
    """A copy of that project's database for one test. The artifacts stay where they are."""
    return copy_release(released, tmp_path)


@pytest.fixture
def listening(store: Store) -> Listening:
    return open_listening(store, "anna", 2)

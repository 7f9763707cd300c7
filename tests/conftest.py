"""Fixtures for all tests."""

from __future__ import annotations

import gc
import os
from pathlib import Path

# Two workers have two cores. With two threads in each, the small networks of these tests take twice as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from browser import artifacts, browser  # noqa: F401 - fixtures
from hypothesis import settings
from local_servers import local_servers, s3_server  # noqa: F401 - fixtures
from postgres_server import postgres  # noqa: F401 - a fixture
from redis_server import redis_server  # noqa: F401 - a fixture
from serving_database import serving_database  # noqa: F401 - a fixture

import stages  # noqa: F401 - sets how OpenMP waits, before torch is loaded

# Collecting the tests makes millions of objects that stay, and a fifth of that time went into looking for garbage.
gc.disable()

# New examples in every run find new faults on a developer's machine. The result of CI must not depend on chance.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")

# Where a test made a DVC project, each command would start a process that reports to DVC's makers.
os.environ["DVC_NO_ANALYTICS"] = "1"

ROOT = Path(__file__).resolve().parent.parent

# Workers take whole files in the order of the tests. The longest come first, or one core is idle at the end. Of the
# first two, only one needs the run of a small voice that most of the others copy, so that no worker waits for it.
LONGEST_FILES = (
    "flows/test_pipeline.py",
    "flows/test_damaged_candidates.py",
    "flows/test_voices_in_one_project.py",
    "flows/test_release_pipeline.py",
    "benchmarks/test_release_abuse.py",
    "flows/test_languages_end_to_end.py",
    "flows/test_deployments.py",
    "serving/jobs/test_durable.py",
    "deploy/test_local_servers.py",
    "flows/test_second_worker.py",
    "flows/test_real_reader.py",
    "flows/test_whisper_end_to_end.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of the longest files first."""
    places = {ROOT / "tests" / name: place for place, name in enumerate(LONGEST_FILES)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """Look for garbage again, but never again among what stays."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference vectors and real speech that is not part of the repository."""
    folder = Path(os.environ.get("VOXFOUNDRY_SHARED", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"{folder}/data does not exist; set VOXFOUNDRY_SHARED to the folder with the reference data")
    return folder

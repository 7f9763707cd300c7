"""Everything that a map computes is computed with one version of a judge, and that version is the workers'."""

from __future__ import annotations

import os
import time
from itertools import count
from pathlib import Path

import pytest

from stages.execution.one_version import with_one_version
from stages.execution.parallel import worker_processes
from stages.execution.tasks import WorkError


def process_of(_: object = None) -> int:
    time.sleep(0.05)  # so that both workers get some of the items
    return os.getpid()


def test_the_version_is_that_of_the_workers() -> None:
    with worker_processes(2) as processes:
        version, workers = with_one_version(processes, str)
        assert (version, list(workers(abs, [-1, 2]))) == ("", [1, 2])
        version, _ = with_one_version(processes, process_of)
    assert version != os.getpid()


def test_a_worker_with_another_version_is_named_with_the_item() -> None:
    with worker_processes(2) as processes:
        _, workers = with_one_version(processes, process_of)
        items = [Path(f"clip_{number}.flac") for number in range(20)]
        with pytest.raises(WorkError, match=rf"clip_\d+\.flac: the worker on {os.uname().nodename} .* works with"):
            list(workers(process_of, items))


def test_what_is_replaced_during_a_run_stops_it() -> None:
    versions = count(1)
    with worker_processes(1) as processes:
        version, workers = with_one_version(processes, lambda: min(next(versions), 3))
        assert version == 1
        with pytest.raises(WorkError, match="works with 2, and this run began with 1"):
            list(workers(abs, [-1]))

"""A release costs the same however long the voice's journal is."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import pytest
from journal_helpers import write_releases

from registry.releases.journal import champion, read_journal

N_ROWS = 10_000
MAX_SECONDS = 0.3  # of CPU time, for a rollback with 10,000 rows
ALLOWANCE = 0.05  # seconds: what two runs of the same on a busy machine may differ


def cpu_seconds(call: Callable[[], object], n_calls: int = 3) -> float:
    """Return the CPU seconds of a call: the median, because the first one fills caches."""
    seconds = []
    for _ in range(n_calls):
        start = time.process_time()
        call()
        seconds.append(time.process_time() - start)
    return median(seconds)


def test_rollback_takes_as_long_with_ten_thousand_rows_as_with_two_hundred(desk):
    desk.release(1, 2)
    seconds = {}
    for n_rows in (200, N_ROWS):
        past = read_journal(desk.store, "anna").state.past
        write_releases(desk.store, "anna", past, n_rows)
        seconds[n_rows] = cpu_seconds(desk.rollback)
    assert seconds[N_ROWS] <= MAX_SECONDS
    assert seconds[N_ROWS] <= 1.5 * seconds[200] + ALLOWANCE, seconds


@pytest.mark.slow
def test_journal_of_ten_thousand_rows_is_whole_and_read_from_its_checkpoint(desk):
    desk.release(1, 2)
    write_releases(desk.store, "anna", read_journal(desk.store, "anna").state.past, N_ROWS)
    assert len(read_journal(desk.store, "anna").records.rows) <= 101
    assert champion(desk.store, "anna") == read_journal(desk.store, "anna", whole=True).state.champion

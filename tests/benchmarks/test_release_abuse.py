"""The abuse of the release commands at a small size. benchmarks/RELEASE_ABUSE.md has the large one."""

from __future__ import annotations

import pytest

from benchmarks.release_abuse.races import PLACES, run_races

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("place", PLACES)
def test_each_race_has_one_winner_and_every_loser_is_told_who_won(tmp_path, place):
    result = run_races(place, tmp_path / "project", n_processes=6, n_rounds=2)
    assert result.faults == ()
    assert result.n_told == 10

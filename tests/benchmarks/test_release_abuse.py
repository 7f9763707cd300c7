"""The abuse of the release commands at a small size. benchmarks/RELEASE_ABUSE.md has the large one."""

from __future__ import annotations

import pytest

from benchmarks.release_abuse import disasters, kills, races
from benchmarks.release_abuse.__main__ import replace_section


def test_a_section_of_the_table_is_replaced_and_the_others_stay():
    text = replace_section("# Title\n", "Kills", "## Kills\n\nold")
    text = replace_section(text, "Races", "## Races\n\none")
    assert replace_section(text, "Kills", "## Kills\n\nnew") == "# Title\n\n## Races\n\none\n\n## Kills\n\nnew\n"


@pytest.mark.slow
@pytest.mark.parametrize("place", races.PLACES)
def test_each_race_has_one_winner_and_every_loser_is_told_who_won(tmp_path, place):
    result = races.run_races(place, tmp_path / "project", n_processes=6, n_rounds=2)
    assert result.faults == ()
    assert result.n_told == 10


@pytest.mark.slow
@pytest.mark.parametrize("place", kills.PLACES)
def test_command_that_was_killed_is_healed_by_the_next(tmp_path, place):
    results = kills.run_kills(place, tmp_path, n_kills=2, seed=3)
    assert [fault for result in results for fault in result.faults] == []
    assert sum(result.n_kills for result in results) == 10


@pytest.mark.slow
def test_disaster_is_told_and_recovered_from(tmp_path):
    results = disasters.run_disasters("SQLite", tmp_path / "disasters")
    assert [fault for result in results for fault in result.faults] == []

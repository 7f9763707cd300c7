"""The abuse of the release commands at a small size. benchmarks/RELEASE_ABUSE.md has the large one."""

from __future__ import annotations

import pytest

from benchmarks.release_abuse import disasters, kills, races
from benchmarks.release_abuse.forgeries import FORGERS, kind_of, run_forgeries
from benchmarks.release_abuse.tables import Table, put_row

TABLES = [Table(name, f"--only {name}", "Says.", ("key", "n"), n_key=1) for name in ("Races", "Kills")]
RACES, KILLS = TABLES


def test_row_of_a_table_is_replaced_with_its_faults_and_the_others_stay():
    text = put_row("", TABLES, KILLS, ("one", 1), ["killed"])
    text = put_row(text, TABLES, KILLS, ("two", 2), ["lost"])
    text = put_row(text, TABLES, RACES, ("one", 3), [])
    assert text.index("## Races") < text.index("## Kills")
    assert text.endswith("| key | n |\n|---|---|\n| one | 1 |\n| two | 2 |\n\n- one: killed\n- two: lost\n")
    again = put_row(text, TABLES, KILLS, ("one", 4), [])
    assert again == text.replace("| one | 1 |", "| one | 4 |").replace("- one: killed\n", "")


@pytest.mark.slow
@pytest.mark.parametrize("place", races.PLACES)
def test_each_race_has_one_winner_and_every_loser_is_told_who_won(tmp_path, place):
    result = races.run_races(place, tmp_path / "project", n_processes=4, n_rounds=2)
    assert result.faults == ()
    assert result.n_told == 6


@pytest.mark.slow
@pytest.mark.parametrize("place", kills.PLACES)
def test_command_that_was_killed_is_healed_by_the_next(tmp_path, place):
    results = list(kills.run_kills(place, tmp_path, n_kills=1, seed=3))
    assert [fault for result in results for fault in result.faults] == []
    assert sum(result.n_kills for result in results) == 5


@pytest.mark.slow
def test_forged_inputs_release_nothing_and_stop_nothing_for_ever(tmp_path):
    """One of each of these kinds takes 20 s of CPU time. The benchmark makes hundreds of all kinds."""
    kinds = ("sign with own key", "forge checkpoint", "forge approval", "forge model", "odd path", "restore consent")
    forgers = [forger for forger in FORGERS if kind_of(forger) in kinds]
    results = list(run_forgeries(tmp_path / "forged", n_kind=1, seed=3, forgers=forgers))
    assert [fault for result in results for fault in result.faults] == []
    assert [result.n for result in results] == [1] * len(kinds)


@pytest.mark.slow
def test_disaster_is_told_and_recovered_from(tmp_path):
    results = list(disasters.run_disasters("SQLite", tmp_path / "disasters"))
    assert [fault for result in results for fault in result.faults] == []

"""Lines that tell how far a stage is."""

from __future__ import annotations

import pytest

from stages.execution.progress import counted


@pytest.mark.parametrize(
    ("n", "lines"), [(0, []), (1, ["1/1"]), (4, ["2/4", "4/4"]), (5, ["2/5", "4/5", "5/5"])], ids=str
)
def test_every_so_many_and_the_last_are_told_after_they_were_dealt_with(n, lines, capsys):
    told = []
    for item in counted(iter(range(n)), n, "cut {} clips", every=2):
        told += capsys.readouterr().out.splitlines()
        assert len(told) == item // 2, "told before it was done"
    told += capsys.readouterr().out.splitlines()
    assert told == [f"cut {line} clips" for line in lines]


def test_a_stage_that_stops_tells_of_nothing_that_it_did_not_do(capsys):
    with pytest.raises(RuntimeError):
        for item in counted(range(3), 3, "{}", every=1):
            if item == 1:
                raise RuntimeError
    assert capsys.readouterr().out == "1/3\n"

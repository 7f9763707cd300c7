"""Lines that say how far a stage is."""

from __future__ import annotations

import pytest

from stages.execution.progress import report_progress


@pytest.mark.parametrize(
    ("n", "lines"), [(0, []), (1, ["1/1"]), (4, ["2/4", "4/4"]), (5, ["2/5", "4/5", "5/5"])], ids=str
)
def test_a_line_follows_every_second_item_and_the_last(n, lines, capsys):
    printed = []
    for item in report_progress(iter(range(n)), n, "cut {} clips", every=2):
        printed += capsys.readouterr().out.splitlines()
        assert len(printed) == item // 2, "printed before it was done"
    printed += capsys.readouterr().out.splitlines()
    assert printed == [f"cut {line} clips" for line in lines]


def test_an_item_that_failed_is_not_counted(capsys):
    with pytest.raises(RuntimeError):
        for item in report_progress(range(3), 3, "{}", every=1):
            if item == 1:
                raise RuntimeError
    assert capsys.readouterr().out == "1/3\n"

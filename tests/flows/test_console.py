"""Tables: fitted to a terminal, full lines in a file or a pipe."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console
from rich.text import Text

from flows.console import print_table

LONG = "a note of many words that no terminal of eighty columns can show in one line, [brackets] included"
ROWS = [(Text("ok", "green"), "Python", "3.11"), (Text("absent", "yellow"), "GPU", LONG)]


@pytest.fixture
def screen(monkeypatch):
    """Return what is printed to a terminal of 60 columns."""
    screen = StringIO()
    monkeypatch.setattr("flows.console.console", Console(file=screen, force_terminal=True, width=60, highlight=False))
    return screen


def test_rows_outside_a_terminal_are_full_aligned_lines(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    print_table(ROWS, header=("state", "what", "detail"))
    assert capsys.readouterr().out.splitlines() == [
        "state   what    detail",
        "ok      Python  3.11",
        f"absent  GPU     {LONG}",
    ]


def test_table_without_header_and_without_rows(capsys):
    print_table(ROWS[:1])
    print_table([], header=("a", "b"))
    assert capsys.readouterr().out.splitlines() == ["ok  Python  3.11", "a  b"]


def test_table_fits_a_terminal(screen):
    print_table(ROWS, header=("state", "what", "detail"))
    lines = [Text.from_ansi(line).plain for line in screen.getvalue().splitlines()]
    assert len(lines) > 3 and max(map(len, lines)) <= 60
    assert "[brackets]" in " ".join(lines)

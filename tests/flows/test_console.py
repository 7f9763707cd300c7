"""Tables: fitted to a terminal, full lines in a file or a pipe."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console
from rich.text import Text

from flows.console import print_error, print_line, print_table
from flows.run_view import RunView

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


@pytest.mark.parametrize("text", ["[/x]", "[bold]red", ":smiley:", "ends with a backslash\\", "ü 語 🎙", "a\u3000b"])
def test_text_of_a_person_is_printed_as_it_is(capsys, screen, monkeypatch, text):
    print_line(text)
    print_table([(text, "next")])
    shown = Text.from_ansi(screen.getvalue()).plain
    assert shown.count(text) == 2
    monkeypatch.undo()
    print_table([(text, "next")])
    print_error(text)
    shown = capsys.readouterr()
    assert text in shown.out and text in shown.err


@pytest.mark.parametrize(
    ("text", "shown"),
    [("\x1b[31mred", "\\x1b[31mred"), ("two\nlines", "two\\nlines"), ("a\u202eb", "a\\u202eb"), ("\udce4", "\\udce4")],
)
def test_control_characters_are_printed_as_escapes(capsys, text, shown):
    print_line(text)
    print_table([(text, Text(text, "red"))])
    print_error(text)
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [shown, f"{shown}  {shown}"]
    assert printed.err == f"{shown}\n"


def test_notes_of_a_run_are_not_read_as_markup(screen):
    console = Console(file=screen, force_terminal=True, width=100)
    with RunView("anna", console) as view:
        for text in ("[/x]", "ends with a backslash\\", "\x1b[2J"):
            view.start_stage("ingest", text)
    assert "\\x1b[2J" in Text.from_ansi(screen.getvalue()).plain

"""Lines and tables on stdout. A line stays one line, so that it can be searched and copied."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

COLUMN_GAP = 2  # spaces between two columns

console = Console(highlight=False)


def print_line(text: str = "", *, markup: bool = False) -> None:
    """Print one line, with `markup` for rich's tags such as [bold]."""
    console.print(text, markup=markup, soft_wrap=True)


def print_error(text: str) -> None:
    """Print one line on stderr."""
    Console(stderr=True, highlight=False).print(text, markup=False, soft_wrap=True)


def print_table(rows: Sequence[Sequence[str | Text]], *, header: Sequence[str] = ()) -> None:
    """Print a table, fitted to a terminal. Where stdout is a file or a pipe, each row is one full line.

    Args:
        rows: The cells of each row. A string is printed as it is, a rich Text with its colour.
        header: The names of the columns, empty for a table without them.
    """
    if console.is_terminal:
        table = Table(*header, box=None, padding=(0, COLUMN_GAP, 0, 0), show_header=bool(header))
        for row in rows:
            table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
        console.print(table)
        return
    lines = [[str(cell) for cell in row] for row in ([header] if header else []) + list(rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width + COLUMN_GAP) for cell, width in zip(line, widths, strict=True))
        print_line("".join(cells).rstrip())

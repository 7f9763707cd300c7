"""Lines and tables on stdout. A line stays one line, so that it can be searched and copied.

Texts come from people, files and servers. None of them is read as rich's markup or as a terminal's control sequence:
a colour needs a rich Text, and what cannot be printed is shown as its escape.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from registry.storage.masking import mask_secrets, visible

COLUMN_GAP = 2  # spaces between two columns

console = Console(highlight=False, markup=False, emoji=False)


def print_line(*parts: str | Text) -> None:
    """Print the parts as one line: a string as it is, a rich Text with its colour."""
    console.print(Text().join(map(_as_text, parts)), soft_wrap=True)


def print_error(text: str) -> None:
    """Print one line on stderr, without secrets."""
    Console(stderr=True, highlight=False).print(_as_text(mask_secrets(text)), soft_wrap=True)


def print_table(rows: Sequence[Sequence[str | Text]], *, header: Sequence[str] = ()) -> None:
    """Print a table, fitted to a terminal. Where stdout is a file or a pipe, each row is one full line.

    Args:
        rows: The cells of each row. A string is printed as it is, a rich Text with its colour.
        header: The names of the columns, empty for a table without them.
    """
    if console.is_terminal:
        table = Table(*header, box=None, padding=(0, COLUMN_GAP, 0, 0), show_header=bool(header))
        for row in rows:
            table.add_row(*map(_as_text, row))
        console.print(table)
        return
    lines = [[_as_text(cell).plain for cell in row] for row in ([header] if header else []) + list(rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width + COLUMN_GAP) for cell, width in zip(line, widths, strict=True))
        print_line("".join(cells).rstrip())


def _as_text(part: str | Text) -> Text:
    return Text(visible(part)) if isinstance(part, str) else Text(visible(part.plain), part.style)

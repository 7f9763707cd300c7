"""The tables of RELEASE_ABUSE.md. A row is written as soon as it was measured, and the others stay as they are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

COMMAND = "python -m benchmarks.release_abuse"
HEAD = f"""# Abuse of the release commands

`{COMMAND}` makes these tables, in hours of CPU time. A part, a registry or a command
can be run alone, and replaces its own rows: each row says what ran. The voices are of a few bytes, and nothing is
synthesised. Faults are listed below each table.
"""


@dataclass(frozen=True)
class Table:
    """A section with one table.

    Attributes:
        title: Of the section.
        options: Of the command that makes it at full size.
        says: What was done, in a sentence or two.
        header: Names of the columns.
        n_key: How many columns, from the left, tell a row from the others.
    """

    title: str
    options: str
    says: str
    header: tuple[str, ...]
    n_key: int


def put_row(text: str, tables: Iterable[Table], table: Table, row: Sequence[Any], faults: Iterable[str]) -> str:
    """Return the Markdown text with a row added or replaced, and its faults listed below the table.

    Args:
        text: As it was. An empty text gets the title.
        tables: All of them, in the order of their sections.
        table: The one that the row belongs to.
        row: The values.
        faults: What was wrong, each in a sentence.
    """
    cells = tuple(re.sub(r"\s+", " ", str(value)).replace("|", "/") for value in row)
    head, sections = _split(text or HEAD)
    rows, notes = _rows_and_notes(sections.get(table.title, ""), table.n_key)
    key = cells[: table.n_key]
    rows[key] = cells
    about = f"- {', '.join(key)}: "
    notes = [note for note in notes if not note.startswith(about)]
    notes += [about + re.sub(r"\s+", " ", fault) for fault in faults]
    sections[table.title] = _section(table, rows.values(), notes)
    order = [each.title for each in tables]
    parts = [sections[title] for title in sorted(sections, key=order.index)]
    return "\n\n".join([head.strip(), *parts]) + "\n"


def _split(text: str) -> tuple[str, dict[str, str]]:
    head, *parts = text.split("\n## ")
    return head, {part.partition("\n")[0].strip(): f"## {part.strip()}" for part in parts}


def _rows_and_notes(section: str, n_key: int) -> tuple[dict[tuple[str, ...], tuple[str, ...]], list[str]]:
    """Return the rows of a section's table by what tells them apart, and the faults below it."""
    lines = section.splitlines()
    cells = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines if line.startswith("|")][2:]
    return {row[:n_key]: row for row in cells}, [line for line in lines if line.startswith("- ")]


def _section(table: Table, rows: Iterable[Sequence[str]], notes: Sequence[str]) -> str:
    lines = [f"## {table.title}", "", f"`{COMMAND} {table.options}`", "", table.says, ""]
    lines += [_line(table.header), f"|{'---|' * len(table.header)}", *map(_line, rows)]
    return "\n".join([*lines, *(["", *notes] if notes else [])])


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"

"""Cells of tables that people open in a spreadsheet."""

from __future__ import annotations

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def spreadsheet_cell(text: str) -> str:
    """Return a cell that no spreadsheet takes for a formula, by an apostrophe before what would begin one.

    What a recipient's cell holds is data to speak and stays as it is everywhere else. Use it where a CSV is written.
    Numbers need it too: only text is passed here.
    """
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA_STARTS) else text

"""The tables of benchmarks.speed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table


def as_table(result: Mapping[str, Any]) -> Table:
    """Return the result of a run as a table for the terminal."""
    table = Table(title=_headline(result), title_justify="left", box=None, padding=(0, 2, 0, 0))
    for name in ("what", "median", "least", "greatest", "unit", "limit", "of limit"):
        table.add_column(name, justify="left" if name in ("what", "unit") else "right")
    for figure in result["figures"]:
        table.add_row(*_cells(figure))
    return table


def as_markdown(result: Mapping[str, Any]) -> str:
    """Return the result of a run as a Markdown table under a heading, with the command of each figure."""
    lines = [f"### {_headline(result)}", "", "| what | median | least | greatest | unit | limit | of limit | command |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    lines += [f"| {' | '.join(_cells(figure))} | `{figure['command']}` |" for figure in result["figures"]]
    return "\n".join(lines) + "\n"


def _headline(result: Mapping[str, Any]) -> str:
    setting = result["setting"]
    limits = ", ".join(f"{value:.1f} {unit}" for unit, value in result["limits"].items())
    return (
        f"{setting['size']}, {setting['precision']}, {setting['n_threads']} threads on {result['machine']} ({limits}), "
        f"torch {result['torch']}, {result['date']}"
    )


def _cells(figure: Mapping[str, Any]) -> list[str]:
    share = ""
    if figure["limit"]:
        is_rate = figure["unit"].endswith("tokens/s")
        share = f"{(figure['median'] / figure['limit'] if is_rate else figure['limit'] / figure['median']):.0%}"
    numbers = [f"{figure[name]:.3g}" for name in ("median", "least", "greatest")]
    limit = f"{figure['limit']:.3g}" if figure["limit"] else ""
    return [figure["what"], *numbers, figure["unit"], limit, share]

"""Measure how `vox serve` sounds, or what it keeps, and print the tables.

    python -m benchmarks.serving speed http://127.0.0.1:8020 VOICE [--only alone together batch overload]
    python -m benchmarks.serving hold [--only work voices releases memory kills]

`hold` makes a project of its own with two voices of the starter base. The kills on PostgreSQL need its server.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.serving import kills, memory, releases, speed, voices, work
from benchmarks.serving.pairs import Pairs
from benchmarks.serving.project import make_project

HELD = ("work", "voices", "releases", "memory", "kills")
Row = dict[str, str]


def as_markdown(rows: Sequence[Row], command: str) -> str:
    """Return the page with a table for each run of rows that have the same columns."""
    load = os.getloadavg()[1]
    lines = ["# Serving", "", f"`{command}`", ""]
    lines += [f"{os.cpu_count()} cores, {platform.machine()}, {time.strftime('%Y-%m-%d')}, load {load:.1f} at the end."]
    before: list[str] = []
    for row in rows:
        if [*row] != before:
            lines += ["", "| " + " | ".join(row) + " |", "|---" * len(row) + "|"]
            before = [*row]
        lines.append("| " + " | ".join(row.values()) + " |")
    return "\n".join(lines) + "\n"


def hold(arguments: argparse.Namespace) -> Iterator[Row]:
    """Yield a row for each thing that must hold."""
    with tempfile.TemporaryDirectory(prefix="serving_", dir=arguments.folder) as folder:
        root = make_project(Path(folder) / "project")
        if "work" in arguments.only:
            yield from work.rows(Pairs(root), n_texts=arguments.texts)
        if "voices" in arguments.only:
            yield voices.row(root, n_requests=arguments.requests)
        if "releases" in arguments.only:
            yield releases.row(root, n_rounds=arguments.rounds)
        if "memory" in arguments.only:
            yield memory.row(root, n_requests=arguments.many)
        if "kills" in arguments.only:
            for database in arguments.databases:
                yield kills.row(root, database, n_jobs=arguments.jobs, n_kills=arguments.kills)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__.splitlines()[0])
    kinds = parser.add_subparsers(dest="kind", required=True)
    sounds = kinds.add_parser("speed", help="how soon a running service sounds")
    sounds.add_argument("address", help="of the service, such as http://127.0.0.1:8020")
    sounds.add_argument("voice")
    sounds.add_argument("--only", nargs="+", choices=speed.PARTS, default=speed.PARTS)
    sounds.add_argument("--n", type=int, default=50, help="requests one after another, and rounds of the others")
    sounds.add_argument("--seconds", type=float, default=60.0, help="of the overload")
    holds = kinds.add_parser("hold", help="what a service keeps under load, releases and kills")
    holds.add_argument("--only", nargs="+", choices=HELD, default=HELD)
    holds.add_argument("--texts", type=int, default=60, help="of each kind, for the work of a stream")
    holds.add_argument("--requests", type=int, default=500, help="for two voices at once")
    holds.add_argument("--rounds", type=int, default=3, help="of a promotion and a rollback")
    holds.add_argument("--many", type=int, default=5000, help="requests while the memory is watched")
    holds.add_argument("--jobs", type=int, default=200)
    holds.add_argument("--kills", type=int, default=20)
    holds.add_argument("--databases", nargs="+", choices=kills.DATABASES, default=kills.DATABASES)
    holds.add_argument("--folder", help="where the project is made; default: that of temporary files")
    for part in (sounds, holds):
        part.add_argument("--markdown", type=Path, help="also write the tables there")
    return parser


def main() -> None:
    """Run what was asked for."""
    arguments, rows = _parser().parse_args(), []
    if arguments.kind == "speed":
        rows = asyncio.run(
            speed.measure(arguments.address, arguments.voice, arguments.only, n=arguments.n, seconds=arguments.seconds)
        )
    else:
        for row in hold(arguments):
            print("  ".join(f"{key}: {value}" for key, value in row.items()), flush=True)
            rows.append(row)
    if arguments.markdown:
        words = [word for word in sys.argv[1:] if word not in ("--markdown", str(arguments.markdown))]
        arguments.markdown.write_text(as_markdown(rows, " ".join(["python -m benchmarks.serving", *words])), "utf-8")


if __name__ == "__main__":
    main()

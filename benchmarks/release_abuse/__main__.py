"""Abuse the release commands and write what came out.

    python -m benchmarks.release_abuse
    python -m benchmarks.release_abuse --only kills --kills 60 --folder /dev/shm

Every part replaces its section of the table. PostgreSQL must be installed, and root runs it as its own user.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import mlflow  # noqa: F401  (every fork would import it again)

from benchmarks.release_abuse import disasters, kills, races

TABLE = Path(__file__).resolve().parents[1] / "RELEASE_ABUSE.md"
HEAD = """# Abuse of the release commands

`python -m benchmarks.release_abuse` makes these tables (hours of CPU time at full size). The voices are of a few bytes,
and nothing is synthesised. A section says with which sizes it was made. Faults are listed below each table.
"""
PARTS = ("races", "kills", "disasters")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts that are named and return 1 if anything was not as it must be."""
    given = _parse(arguments)
    n_faults = 0
    for part in given.only or PARTS:
        folder = Path(tempfile.mkdtemp(dir=given.folder, prefix="release_abuse_"))
        folder.chmod(0o711)
        try:
            lines, faults = _RUN[part](given, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        n_faults += len(faults)
        text = "\n".join([f"## {part.capitalize()}", "", *lines, "", *(f"- {fault}" for fault in faults)])
        given.markdown.write_text(replace_section(_read(given.markdown), part.capitalize(), text), encoding="utf-8")
    return int(n_faults > 0)


def replace_section(text: str, title: str, section: str) -> str:
    """Return a Markdown text with a section replaced, or added at the end."""
    parts = text.split("\n## ")
    kept = [part for part in parts[1:] if part.partition("\n")[0] != title]
    sections = [*kept, section.removeprefix("## ").strip() + "\n"]
    order = [part.capitalize() for part in PARTS]
    sections.sort(key=lambda part: order.index(part.partition("\n")[0]))
    return "\n## ".join([parts[0], *sections])


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else HEAD


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.release_abuse", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", action="append", choices=PARTS, help="only this part; may be given again")
    parser.add_argument("--processes", type=int, default=50, help="that race")
    parser.add_argument("--rounds", type=int, default=20, help="of races in each place")
    parser.add_argument("--kills", type=int, default=300, help="in all, over 5 commands in 2 places")
    parser.add_argument("--seed", type=int, default=1, help="of kills")
    parser.add_argument("--places", nargs="+", default=list(races.PLACES), choices=races.PLACES)
    parser.add_argument("--folder", type=Path, help="for the projects, default the temporary folder")
    parser.add_argument("--markdown", type=Path, default=TABLE, help="where the tables are written")
    return parser.parse_args(arguments)


def _run_races(given: argparse.Namespace, folder: Path) -> tuple[list[str], list[str]]:
    results = [
        races.run_races(name, folder / name, n_processes=given.processes, n_rounds=given.rounds)
        for name in given.places
    ]
    rows = [
        (each.place, each.n_processes, each.n_rounds, each.n_told, f"{each.seconds:.1f} s", len(each.faults))
        for each in results
    ]
    command = f"--only races --processes {given.processes} --rounds {given.rounds}"
    says = "Each process gates its own candidate, and all promote at the same moment. One wins."
    header = ("registry", "processes", "rounds", "losers told who won", "slowest answer", "faults")
    return _section(command, says, header, rows), [fault for each in results for fault in each.faults]


def _run_kills(given: argparse.Namespace, folder: Path) -> tuple[list[str], list[str]]:
    places = [name for name in given.places if name in kills.PLACES]
    each_kind = -(-given.kills // (len(kills.OPERATIONS) * len(places)))
    results = [
        result for name in places for result in kills.run_kills(name, folder / name, n_kills=each_kind, seed=given.seed)
    ]
    rows = [
        (each.place, each.operation, each.n_kills, each.n_left_traces, each.n_complete, len(each.faults))
        for each in results
    ]
    command = f"--only kills --kills {given.kills}"
    says = "SIGKILL at a random instant of a command, then the same command again."
    header = ("registry", "command", "kills", "left half done", "was complete", "faults")
    return _section(command, says, header, rows), [fault for each in results for fault in each.faults]


def _run_disasters(given: argparse.Namespace, folder: Path) -> tuple[list[str], list[str]]:
    places = [name for name in given.places if name in disasters.PLACES]
    results = [result for name in places for result in disasters.run_disasters(name, folder / name)]
    rows = [(each.place, each.disaster, each.said[:240], len(each.faults)) for each in results]
    header = ("registry", "disaster", "what the command or the audit says", "faults")
    return _section("--only disasters", "", header, rows), [
        f"{each.place}, {each.disaster}: {fault}" for each in results for fault in each.faults
    ]


def _section(command: str, says: str, header: Iterable[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    header = tuple(header)
    table = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    table += [f"| {' | '.join(str(value).replace('|', '/') for value in row)} |" for row in rows]
    return [f"`python -m benchmarks.release_abuse {command}`", "", *([says, ""] if says else []), *table]


_RUN: dict[str, Callable[[argparse.Namespace, Path], tuple[list[str], list[str]]]] = {
    "races": _run_races,
    "kills": _run_kills,
    "disasters": _run_disasters,
}

if __name__ == "__main__":
    sys.exit(main())

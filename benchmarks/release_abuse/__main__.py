"""Abuse the release commands and write what came out.

    python -m benchmarks.release_abuse
    python -m benchmarks.release_abuse --only kills --kills 60 --folder /dev/shm
    python -m benchmarks.release_abuse --only kills --places SQLite --commands revoke promote

Every row of the tables is written when it was measured. PostgreSQL must be installed, and root runs it as its own user.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import mlflow  # noqa: F401  (every fork would import it again)

from benchmarks.release_abuse import disasters, forgeries, kills, races
from benchmarks.release_abuse.tables import Table, put_row

MARKDOWN = Path(__file__).resolve().parents[1] / "RELEASE_ABUSE.md"
Rows = Iterator[tuple[tuple[Any, ...], Sequence[str]]]  # the values of a row, and what was wrong
TABLES = {
    "races": Table(
        "Races",
        "--only races",
        "Each process gates its own candidate, and all promote at the same moment. One wins. A loser waits up to 60 s "
        "for the lock. The full size is 50 processes and 20 rounds in each registry.",
        ("registry", "processes", "rounds", "losers told who won", "slowest answer", "faults"),
        n_key=1,
    ),
    "kills": Table(
        "Kills",
        "--only kills --kills 300 --folder /dev/shm",
        "SIGKILL at a random instant of a command, then the same command again. After it nothing is half done, nothing "
        "is done twice, the audit is whole, and no revoked voice speaks. The full size is 30 kills of each.",
        ("registry", "command", "kills", "left half done", "was complete", "faults"),
        n_key=2,
    ),
    "forgeries": Table(
        "Forgeries",
        "--only forgeries --forgeries 500 --folder /dev/shm",
        "The project has released, unjudged, failed and unapproved versions. After each forgery, eight commands are "
        "given, among them promotions of the last three. Then the forgery is undone, and a version is gated, approved, "
        "promoted, rolled back and made champion again. A fault is: a version speaks or is released that should not, a "
        "command fails after the forgery was undone, a password or a control character is printed, an error is not a "
        "sentence, or something was executed. Many forgeries leave the champion as it was, so that releases, audit and "
        "rollback work beside them.",
        ("forged", "inputs", "releases, audit or rollback refused", "faults"),
        n_key=1,
    ),
    "disasters": Table(
        "Disasters",
        "--only disasters",
        "What happened to a project while version 4 was to be promoted, and what the command or the audit said.",
        ("registry", "disaster", "what was said", "faults"),
        n_key=2,
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts that are named and return 1 if anything was not as it must be."""
    given = _parse(arguments)
    n_faults = 0
    for part in given.only or TABLES:
        folder = Path(tempfile.mkdtemp(dir=given.folder, prefix="release_abuse_"))
        folder.chmod(0o711)
        try:
            for row, faults in _RUN[part](given, folder):
                n_faults += len(faults)
                text = given.markdown.read_text(encoding="utf-8") if given.markdown.is_file() else ""
                text = put_row(text, TABLES.values(), TABLES[part], row, faults)
                given.markdown.write_text(text, encoding="utf-8")
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return int(n_faults > 0)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    kinds = [forgeries.kind_of(forger) for forger in forgeries.FORGERS]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.release_abuse", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", action="append", choices=list(TABLES), help="only this part; may be given again")
    parser.add_argument("--processes", type=int, default=50, help="that race")
    parser.add_argument("--rounds", type=int, default=20, help="of races in each place")
    parser.add_argument("--kills", type=int, default=300, help="in all, over 5 commands in 2 places")
    parser.add_argument("--forgeries", type=int, default=500, help="in all, over all kinds")
    parser.add_argument("--seed", type=int, default=1, help="of kills and forgeries")
    parser.add_argument("--places", nargs="+", default=list(races.PLACES), choices=races.PLACES)
    parser.add_argument("--commands", nargs="+", default=list(kills.OPERATIONS), choices=kills.OPERATIONS)
    parser.add_argument("--kinds", nargs="+", default=kinds, choices=kinds, help="of forgeries")
    parser.add_argument("--folder", type=Path, help="for the projects, default the temporary folder")
    parser.add_argument("--markdown", type=Path, default=MARKDOWN, help="where the tables are written")
    return parser.parse_args(arguments)


def _run_races(given: argparse.Namespace, folder: Path) -> Rows:
    for name in given.places:
        each = races.run_races(name, folder / name, n_processes=given.processes, n_rounds=given.rounds)
        row = (name, each.n_processes, each.n_rounds, each.n_told, f"{each.seconds:.1f} s", len(each.faults))
        yield row, each.faults


def _run_kills(given: argparse.Namespace, folder: Path) -> Rows:
    n_kills = -(-given.kills // (len(kills.OPERATIONS) * len(kills.PLACES)))
    for name in (name for name in given.places if name in kills.PLACES):
        for each in kills.run_kills(name, folder / name, n_kills=n_kills, seed=given.seed, operations=given.commands):
            row = (name, each.operation, each.n_kills, each.n_left_traces, each.n_complete, len(each.faults))
            yield row, each.faults


def _run_forgeries(given: argparse.Namespace, folder: Path) -> Rows:
    n_kind = -(-given.forgeries // len(forgeries.FORGERS))
    wanted = [forger for forger in forgeries.FORGERS if forgeries.kind_of(forger) in given.kinds]
    for each in forgeries.run_forgeries(folder / "forged", n_kind=n_kind, seed=given.seed, forgers=wanted):
        yield (each.kind, each.n, each.n_refused, len(each.faults)), each.faults


def _run_disasters(given: argparse.Namespace, folder: Path) -> Rows:
    for name in (name for name in given.places if name in disasters.PLACES):
        for each in disasters.run_disasters(name, folder / name):
            said = textwrap.shorten(each.said, 240, placeholder=" ...")
            yield (each.place, each.disaster, said, len(each.faults)), each.faults


_RUN: dict[str, Callable[[argparse.Namespace, Path], Rows]] = {
    "races": _run_races,
    "kills": _run_kills,
    "forgeries": _run_forgeries,
    "disasters": _run_disasters,
}

if __name__ == "__main__":
    sys.exit(main())

"""Kills: SIGKILL at a random instant of a command, then the command again, as a person would give it."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.release_abuse.forks import Fork, ForkError, in_fork
from benchmarks.release_abuse.kill_states import OPERATIONS, PREPARED, find_faults, look, operate, why_not_refused
from benchmarks.release_abuse.places import Place, build_candidate, fill, open_place

PLACES = ("SQLite", "PostgreSQL")
N_CANDIDATES, N_RELEASED = 4, 3  # the fourth may be promoted, and the third rolled back
MAX_TRIES = 20  # kills that came too late before the duration is believed to be wrong


@dataclass
class KillResult:
    """What came out of the kills of one command in one place."""

    place: str
    operation: str
    n_kills: int = 0
    n_left_traces: int = 0  # kills after which something was begun and not ended
    n_complete: int = 0  # kills after the last step, before the answer
    faults: list[str] = field(default_factory=list)


def run_kills(
    name: str, folder: Path, *, n_kills: int, seed: int, operations: Iterable[str] = OPERATIONS
) -> list[KillResult]:
    """Kill every command in one place.

    Args:
        name: One of PLACES.
        folder: For the projects, which is made.
        n_kills: Of each command.
        seed: Of the instants.
        operations: Which commands.
    """
    random_ = random.Random(f"{seed} {name}")
    with open_place(name, folder / "template") as template:
        fill(template, N_CANDIDATES, n_released=N_RELEASED)
        in_fork(_prepare, template)
        return [_kill_often(template, folder, operation, n_kills, random_) for operation in operations]


def _prepare(template: Place) -> None:
    template.enter()
    template.desk.gate(PREPARED)
    build_candidate(template.store.root, N_CANDIDATES + 1)


def _kill_often(template: Place, folder: Path, operation: str, n_kills: int, random_: random.Random) -> KillResult:
    result, longest, number, n_late = KillResult(template.name, operation), 0.0, 0, 0
    while result.n_kills < n_kills and n_late < MAX_TRIES:
        number += 1
        place = template.copy(folder / f"{operation}_{number}")
        try:
            if longest == 0.0:  # the first one is let through, to know how long it takes
                start = time.monotonic()
                in_fork(operate, place, operation)
                longest = time.monotonic() - start
                continue
            if not _kill(place, operation, random_.uniform(0, longest)):
                n_late, longest = n_late + 1, longest * 0.8
                continue
            n_late, result.n_kills = 0, result.n_kills + 1
            _heal(place, operation, result)
        finally:
            place.remove()
            shutil.rmtree(place.store.root, ignore_errors=True)
    return result


def _kill(place: Place, operation: str, seconds: float) -> bool:
    """Begin a command and kill it after some seconds. Return whether it was still running."""
    fork = Fork(operate, place, operation)
    time.sleep(seconds)
    fork.kill()
    try:
        fork.result()
    except ForkError:
        return True
    return False


def _heal(place: Place, operation: str, result: KillResult) -> None:
    """Look at what the kill left, give the command again, and look once more."""
    try:
        before = in_fork(look, place)
        is_complete = operation == "rollback" and before.champion == N_RELEASED - 1
        if not is_complete:  # a second rollback would rightly go back one release more
            in_fork(operate, place, operation)
        after = in_fork(look, place)
        faults = find_faults(operation, before, after)
        if operation == "revoke" and (reason := in_fork(why_not_refused, place)):
            faults.append(reason)
    except ForkError as error:
        result.faults.append(f"{operation}, kill {result.n_kills}: {str(error).strip().splitlines()[-1]}")
        return
    result.n_complete += is_complete or before == after
    result.n_left_traces += before.is_half_done
    result.faults += [f"{operation}, kill {result.n_kills}: {fault}" for fault in faults]

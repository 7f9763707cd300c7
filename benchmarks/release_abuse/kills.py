"""Kills: SIGKILL at a random instant of a command, then the command again, as a person would give it."""

from __future__ import annotations

import os
import random
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from benchmarks.release_abuse.forks import ForkError, in_fork
from benchmarks.release_abuse.kill_states import OPERATIONS, PREPARED, find_faults, look, operate, why_not_refused
from benchmarks.release_abuse.places import Place, build_candidate, fill, open_place

PLACES = ("SQLite", "PostgreSQL")
N_CANDIDATES, N_RELEASED = 4, 3  # the fourth may be promoted, and the third rolled back
WRITES = {
    "execute",
    "commit",
    "replace",
    "rename",
    "write",
    "fsync",
    "unlink",
    "remove",
    "mkdir",
    "link",
    "send",
    "open",
}


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
) -> Iterator[KillResult]:
    """Kill every command in one place, and yield the result of each command.

    Args:
        name: One of PLACES.
        folder: For the projects, which is made.
        n_kills: Of each command.
        seed: Of the instants.
        operations: Which commands.
    """
    with open_place(name, folder / "template") as template:
        fill(template, N_CANDIDATES, n_released=N_RELEASED)
        in_fork(_prepare, template)
        for operation in operations:
            yield _kill_often(template, folder, operation, n_kills, random.Random(f"{seed} {name} {operation}"))


def _prepare(template: Place) -> None:
    template.enter()
    template.desk.gate(PREPARED)
    build_candidate(template.store.root, N_CANDIDATES + 1)


def _kill_often(template: Place, folder: Path, operation: str, n_kills: int, random_: random.Random) -> KillResult:
    result = KillResult(template.name, operation)
    with _copied(template, folder / operation) as place:  # let through, to know which instants there are
        n_calls, writing = in_fork(_count_calls, place, operation)
    for number in range(1, n_kills + 1):
        instant = random_.randint(1, n_calls)
        if number % 2:  # writing takes few of the calls, so every second kill is near one that writes
            instant = random_.choice(writing) + random_.randint(-5, 25)
        with _copied(template, folder / f"{operation}_{number}") as place:
            with suppress(ForkError):
                in_fork(_die_at_call, place, operation, instant)
            result.n_kills += 1
            _heal(place, operation, result)
    return result


@contextmanager
def _copied(template: Place, folder: Path) -> Iterator[Place]:
    place = template.copy(folder)
    try:
        yield place
    finally:
        place.remove()


def _count_calls(place: Place, operation: str) -> tuple[int, list[int]]:
    """Return how many calls a command makes, and the numbers of those that may write to a file or a database."""
    n_calls, writing = 0, []

    def watch(_: FrameType, event: str, function: object) -> None:
        nonlocal n_calls
        n_calls += 1
        if event == "c_call" and getattr(function, "__name__", "") in WRITES:
            writing.append(n_calls)

    sys.setprofile(watch)
    try:
        operate(place, operation)
    finally:
        sys.setprofile(None)
    return n_calls, writing


def _die_at_call(place: Place, operation: str, instant: int) -> None:
    """Give a command and let SIGKILL end this process at a call. A busy machine does not shift that instant."""
    n_calls = 0

    def watch(*_: object) -> None:
        nonlocal n_calls
        n_calls += 1
        if n_calls == instant:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(watch)
    operate(place, operation)


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

"""Races: many processes promote different candidates of one voice at the same moment."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from pathlib import Path

from benchmarks.release_abuse.forks import CONTEXT, TIMEOUT_SECONDS, Fork, in_fork
from benchmarks.release_abuse.places import VOICE, Place, fill, open_place
from registry.errors import RegistryError
from registry.releases.audit import audit
from registry.releases.journal import champion, history
from registry.storage.model_registry import read_alias

PLACES = ("SQLite", "PostgreSQL", "MLflow server")


@dataclass(frozen=True)
class RaceResult:
    """What came out of the races in one place.

    Attributes:
        place: Where the registry was.
        n_processes: That promoted at once.
        n_rounds: How often.
        n_told: Losers that were told which version won.
        faults: Whatever was not as it must be. Empty where all was well.
        seconds: Of the slowest promotion, from the start signal to its answer.
    """

    place: str
    n_processes: int
    n_rounds: int
    n_told: int
    faults: tuple[str, ...]
    seconds: float


def run_races(name: str, folder: Path, *, n_processes: int, n_rounds: int) -> RaceResult:
    """Let processes race in one place.

    Args:
        name: One of PLACES.
        folder: For the project, which is made.
        n_processes: Each promotes its own candidate.
        n_rounds: After each, the winner sits out one round, because it is champion.
    """
    faults, n_told, slowest, winner = [], 0, 0.0, 1
    with open_place(name, folder) as place:
        fill(place, n_processes + 1, n_released=1)
        for number in range(1, n_rounds + 1):
            versions = [version for version in range(1, n_processes + 2) if version != winner]
            answers = _race(place, versions)
            winners = [version for version, (outcome, _, _) in answers.items() if outcome == "won"]
            slowest = max(slowest, *(seconds for _, _, seconds in answers.values()))
            if len(winners) != 1:
                faults.append(f"round {number}: {len(winners)} winners {winners}")
            before, winner = winner, (winners or [winner])[0]
            told = f"given against version {before} and the champion is now version {winner}"
            for version, (outcome, text, _) in answers.items():
                n_told += told in text
                if outcome != "won" and told not in text:
                    faults.append(f"round {number}: version {version} was not told who won: {text[:300]}")
            faults += [f"round {number}: {fault}" for fault in in_fork(_find_faults, place, winner, number)]
    return RaceResult(name, n_processes, n_rounds, n_told, tuple(faults), slowest)


def _race(place: Place, versions: list[int]) -> dict[int, tuple[str, str, float]]:
    """Return for each version: won or lost, what its process was told, and the seconds that it took."""
    barrier = CONTEXT.Barrier(len(versions))
    forks = {version: Fork(_gate_and_promote, place, version, barrier) for version in versions}
    return {version: fork.result() for version, fork in forks.items()}


def _gate_and_promote(place: Place, version: int, barrier: Barrier) -> tuple[str, str, float]:
    with ExitStack() as at_fault:
        at_fault.callback(barrier.abort)  # else all others would wait for this process
        place.desk.gate(version)
        at_fault.pop_all()
    barrier.wait(TIMEOUT_SECONDS)
    start = time.monotonic()
    try:
        move = place.desk.promote(version)
        outcome, text = ("won" if move.changed else "unchanged"), move.note
    except RegistryError as error:
        outcome, text = "lost", str(error)
    return outcome, text, time.monotonic() - start


def _find_faults(place: Place, winner: int, n_rounds: int) -> list[str]:
    """Compare journal, alias and audit after a round with its winner."""
    faults = list(audit(place.store, VOICE, recordings_dir=place.desk.recordings))
    released, alias = champion(place.store, VOICE), read_alias(place.store, VOICE, "champion")
    if released is None or released.version != winner or alias != winner:
        faults.append(f"version {winner} won, the journal says {released} and the alias {alias}")
    done = [row.to_version for row in history(place.store, VOICE) if row.state == "done"]
    if len(done) != n_rounds + 1 or done[-1] != winner:
        faults.append(f"the journal has {len(done)} promotions after {n_rounds} rounds and the first release")
    return faults

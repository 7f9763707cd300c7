"""Disasters: a clock that was set back, a full disk, an older copy of every store, and outages."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from unittest import mock

from benchmarks.release_abuse.forks import ForkError, in_fork
from benchmarks.release_abuse.kill_states import PREPARED
from benchmarks.release_abuse.outages import INSTANTS, break_artifact_store, stop_database
from benchmarks.release_abuse.places import VOICE, Place, build_candidate, fill, open_place
from flows.guard import explain
from registry.errors import RegistryError
from registry.releases.audit import audit
from registry.releases.journal import champion
from registry.storage import records
from registry.storage.model_registry import read_alias
from registry.storage.records import read_records

PLACES = ("SQLite", "PostgreSQL", "MLflow server")
N_CANDIDATES, N_RELEASED = 4, 3
FULL_AFTER = (0, 100, 4_096, 100_000)  # bytes that a file may still have


@dataclass(frozen=True)
class DisasterResult:
    """What came out of one disaster.

    Attributes:
        place: Where the registry was.
        disaster: What happened.
        said: What the command, or else the audit, said about it.
        faults: Whatever was not as it must be.
    """

    place: str
    disaster: str
    said: str
    faults: tuple[str, ...]


def run_disasters(name: str, folder: Path) -> Iterator[DisasterResult]:
    """Let every disaster happen in one place, and yield what came out.

    Args:
        name: One of PLACES.
        folder: For the projects, which is made.
    """
    cases: dict[str, Callable[[Place, Place], tuple[str, list[str]]]] = {
        "the clock is set back by a year": _set_clock_back,
        "an older copy of every store, and an object store has the anchors": _restore_with_anchors,
        "an older copy of every store, and somebody noted a row": _restore_with_a_note,
    }
    if name == "SQLite":
        cases |= {f"no file may grow over {limit} bytes": _fill_disk(limit) for limit in FULL_AFTER}
    if name == "PostgreSQL":
        cases |= {f"the database stops {instant}, and starts again": _stop_database(instant) for instant in INSTANTS}
    with open_place(name, folder / "template") as template:
        fill(template, N_CANDIDATES, n_released=N_RELEASED)
        in_fork(_prepare, template)
        if name == "MLflow server":  # a copy of the project would have the same server
            for disaster, said, faults in break_artifact_store(template, _find_faults):
                yield DisasterResult(name, disaster, said, tuple(faults))
            return
        for number, (disaster, case) in enumerate(cases.items()):
            place, other = template.copy(folder / str(number)), template.copy(folder / f"{number}_older")
            try:
                said, faults = case(place, other)
            except ForkError as error:
                said, faults = "", [str(error).strip().splitlines()[-1]]
            place.remove()
            other.remove()
            yield DisasterResult(name, disaster, said, tuple(faults))


def _prepare(template: Place) -> None:
    template.enter()
    template.desk.gate(PREPARED)
    build_candidate(template.store.root, N_CANDIDATES + 1)


def _set_clock_back(place: Place, _: Place) -> tuple[str, list[str]]:
    return in_fork(_release_in_the_past, place)


def _release_in_the_past(place: Place) -> tuple[str, list[str]]:
    class Earlier(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:
            return datetime.now(tz) - timedelta(days=365)

    place.enter()
    with mock.patch.object(records, "datetime", Earlier):
        said = place.desk.promote(PREPARED).note
    times = [row.utc for row in read_records(place.store, VOICE, whole=True).require_whole().rows]
    faults = [] if times == sorted(times) else ["the times of the rows go back"]
    return said, faults + _find_faults(place, PREPARED)


def _fill_disk(limit: int) -> Callable[[Place, Place], tuple[str, list[str]]]:
    def case(place: Place, _: Place) -> tuple[str, list[str]]:
        said = in_fork(_promote_on_a_full_disk, place, limit)
        faults = in_fork(_find_faults, place, None)
        in_fork(_promote, place)
        return said, faults + in_fork(_find_faults, place, PREPARED)

    return case


def _promote_on_a_full_disk(place: Place, limit: int) -> str:
    place.enter()
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))  # every write over it is refused, as on a full disk
    try:
        return place.desk.promote(PREPARED).note
    except Exception as error:  # noqa: BLE001  (what the command line would print)
        return explain(error)


def _stop_database(instant: str) -> Callable[[Place, Place], tuple[str, list[str]]]:
    def case(place: Place, _: Place) -> tuple[str, list[str]]:
        said = stop_database(place, instant)
        faults = in_fork(_find_faults, place, None)
        in_fork(_promote, place)
        return said, faults + in_fork(_find_faults, place, PREPARED)

    return case


def _promote(place: Place) -> None:
    place.enter()
    place.desk.promote(PREPARED)


def _restore_with_anchors(place: Place, other: Place) -> tuple[str, list[str]]:
    anchors = place.store.root.parent / f"{place.store.root.name}_anchors"
    in_fork(_promote_and_publish, place, anchors)
    return in_fork(_use_older, other, anchors, None)


def _restore_with_a_note(place: Place, other: Place) -> tuple[str, list[str]]:
    noted = in_fork(_promote_and_publish, place, None)
    return in_fork(_use_older, other, None, noted)


def _promote_and_publish(place: Place, anchors: Path | None) -> str:
    place.enter()
    if anchors is not None:
        os.environ["VOXFOUNDRY_ANCHOR"] = str(anchors)
    place.desk.promote(PREPARED)
    last = read_records(place.store, VOICE).require_whole().rows[-1]
    return f"{last.number}:{last.stamp.hash[:16]}"


def _use_older(older: Place, anchors: Path | None, noted: str | None) -> tuple[str, list[str]]:
    """Use a project as it was before the newest release: its database, artifacts, anchor and consent."""
    older.enter()
    faults = []
    if anchors is not None:
        os.environ["VOXFOUNDRY_ANCHOR"] = str(anchors)
        try:
            older.desk.rollback()
            faults.append("an older copy of every store was released from")
        except RegistryError:
            pass
        if read_alias(older.store, VOICE, "champion") != N_RELEASED:
            faults.append("the alias has moved")
    said = audit(older.store, VOICE, recordings_dir=older.desk.recordings, expect=noted)
    if not said:
        faults.append("the audit does not tell")
    if anchors is not None:
        shutil.rmtree(anchors)
    return "; ".join(said), faults


def _find_faults(place: Place, expected: int | None) -> list[str]:
    """Compare journal, alias and audit. With None, the champion may be the one before or after."""
    faults = list(audit(place.store, VOICE, recordings_dir=place.desk.recordings))
    released, alias = champion(place.store, VOICE), read_alias(place.store, VOICE, "champion")
    versions = (N_RELEASED, PREPARED) if expected is None else (expected,)
    if released is None or released.version not in versions or alias not in versions:
        faults.append(f"the journal says {released} and the alias {alias}")
    return faults

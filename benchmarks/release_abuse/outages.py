"""Outages: the database stops in the middle of a promotion, and the artifact store answers 503 or half a file."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing.synchronize import Event
from unittest import mock

from faulty_proxy import Fault, faulty_proxy

from benchmarks.release_abuse.forks import CONTEXT, TIMEOUT_SECONDS, Fork, in_fork
from benchmarks.release_abuse.kill_states import PREPARED
from benchmarks.release_abuse.places import Place
from flows.guard import explain
from registry.candidates.artifacts import CACHE
from registry.releases import alias as alias_module

Outcome = tuple[str, str, list[str]]  # the disaster, what was said, and the faults
INSTANTS = {
    "while the voice speaks": None,
    "before the alias moves": "append",
    "after the alias moved": "place_alias",
}
ARTIFACT_FAULTS: dict[str, Fault] = {
    "the artifact store answers 503": "503",
    "the artifact store sends half of each file": "cut",
}


def stop_database(place: Place, instant: str) -> str:
    """Stop the server of the database during a promotion, start it again, and return what the command said.

    Args:
        place: On PostgreSQL.
        instant: One of INSTANTS.
    """
    reached, stopped = CONTEXT.Event(), CONTEXT.Event()
    fork = Fork(_promote_and_wait, place, INSTANTS[instant], reached, stopped)
    reached.wait(TIMEOUT_SECONDS)
    place.postgres.stop()
    stopped.set()
    said = fork.result()
    place.postgres.start()
    return said


def _promote_and_wait(place: Place, step: str | None, reached: Event, stopped: Event) -> str:
    """Promote, and wait after a step until the database is stopped. Return what the command line would print."""

    def wait(*_: object) -> None:
        reached.set()
        stopped.wait(TIMEOUT_SECONDS)

    def wait_after(call: Callable[..., object]) -> Callable[..., object]:
        def work(*arguments: object, **named: object) -> object:
            result = call(*arguments, **named)
            if not reached.is_set():
                wait()
            return result

        return work

    place.enter()
    try:
        if step is None:
            return place.desk.promote(PREPARED, smoke=wait).note
        with mock.patch.object(alias_module, step, wait_after(getattr(alias_module, step))):
            return place.desk.promote(PREPARED).note
    except Exception as error:  # noqa: BLE001  (what the command line would print)
        return explain(error)


def break_artifact_store(place: Place, find_faults: Callable[[Place, int | None], list[str]]) -> Iterator[Outcome]:
    """Promote while the artifact store behind an MLflow server fails in one way after the other.

    Args:
        place: With an MLflow server.
        find_faults: Returns what is wrong, given the champion that must be.
    """
    with faulty_proxy(place.store.tracking_uri) as proxy:
        behind = replace(place, store=replace(place.store, tracking_uri=proxy.url))
        for disaster, fault in ARTIFACT_FAULTS.items():
            proxy.choose_fault = lambda method, path, fault=fault: fault if "mlflow-artifacts" in path else ""
            said = in_fork(_promote_impatiently, behind)
            faults = [] if proxy.n_faults else ["the artifact store was not asked"]
            proxy.n_faults = 0
            yield disaster, said, faults + in_fork(find_faults, place, PREPARED - 1)
        proxy.choose_fault = lambda method, path: ""
        said = in_fork(_promote_impatiently, behind)
        yield "the artifact store answers again", said, in_fork(find_faults, place, PREPARED)


def _promote_impatiently(place: Place) -> str:
    place.enter()
    shutil.rmtree(CACHE, ignore_errors=True)  # the gate has kept a copy
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "1"  # in seconds what takes half a minute by default
    try:
        return place.desk.promote(PREPARED).note
    except Exception as error:  # noqa: BLE001  (what the command line would print)
        return explain(error)

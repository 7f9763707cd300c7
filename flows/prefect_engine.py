"""The flows of Prefect: train_and_release, gate, evaluate_champion.

Import it after flows.server.ensure_server: prefect reads its settings on import.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TypeVar

from httpx import TransportError
from prefect import flow, get_client, get_run_logger, runtime, tags, task
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.sorting import FlowRunSort
from prefect.states import Crashed

from flows.release import GatedCandidate
from flows.rescore import Rescored, evaluate_champion
from flows.server import ServerError
from flows.train_and_release import Log, Outcome, Request, run_pipeline
from flows.view import RunView

T = TypeVar("T")


class PrefectEngine:
    """Each step is a Prefect task of the running flow, never retried, its log lines in the task's log."""

    def step(self, name: str, work: Callable[[Log], T]) -> T:
        @task(name=name, task_run_name=name, retries=0, cache_policy=NO_CACHE, persist_result=False)
        def run() -> T:
            return work(get_run_logger().info)

        return run()

    def publish(self, voice: str, outcome: Outcome) -> None:
        """The figures as a table, the verdict as Markdown and the report as a link."""
        _publish_verdict(voice, outcome.judged)
        create_link_artifact(key=f"{_key(voice)}-report", link=outcome.report.as_uri(), link_text=f"Report of {voice}")


def run_with_prefect(request: Request, view: RunView) -> Outcome:
    """train_and_release: the line as a flow run of the server that PREFECT_API_URL names."""
    voice = request.voice
    return _as_flow("train_and_release", voice, lambda: run_pipeline(request, view, PrefectEngine()), asdict(request))


def gate_with_prefect(voice: str, version: int | None, judge: Callable[[], GatedCandidate]) -> GatedCandidate:
    """gate: a verdict as a flow run, with the figures and the verdict as its artifacts."""

    def work() -> GatedCandidate:
        judged = PrefectEngine().step("gate", lambda log: judge())
        _publish_verdict(voice, judged)
        return judged

    return _as_flow("gate", voice, work, {"voice": voice, "version": version})


class DriftFound(RuntimeError):  # noqa: N818  (an answer, which makes a scheduled run fail where people look)
    """The version does not score as it did."""

    def __init__(self, done: Rescored) -> None:
        super().__init__("; ".join((*done.drift.findings, *done.worse)))
        self.done = done


@flow(name="evaluate_champion", flow_run_name="{voice}", persist_result=False)
def evaluate_champion_flow(voice: str, version: int | None = None) -> Rescored:
    """What is live scored again; the trend as a table, what changed as Markdown. Raises DriftFound."""
    done = evaluate_champion(voice, version, PrefectEngine())
    create_table_artifact(key=f"{_key(voice)}-trend", table=done.table(), description=f"Trend of {voice}")
    create_markdown_artifact(key=f"{_key(voice)}-drift", markdown=done.markdown())
    if done.has_drifted:
        raise DriftFound(done)
    return done


def rescore_with_prefect(voice: str, version: int | None) -> Rescored:
    """evaluate_champion as a flow run of the server that PREFECT_API_URL names."""
    try:
        with _on_the_server(voice):
            return evaluate_champion_flow(voice, version)
    except DriftFound as found:
        return found.done


def rescore_on_schedule(voice: str, cron: str) -> None:
    """Serve evaluate_champion for a voice until interrupted; Prefect starts it whenever `cron` says."""
    evaluate_champion_flow.serve(name=voice, cron=cron, parameters={"voice": voice}, tags=[f"voice:{voice}"])


def _as_flow(name: str, voice: str, work: Callable[[], T], parameters: dict[str, object]) -> T:
    """work() as a flow run that shows its parameters; runs of this voice whose process was killed are ended first."""

    @flow(name=name, flow_run_name=f"{voice}-{datetime.now(UTC):%Y%m%d-%H%M%S}", persist_result=False)
    def run(parameters: dict[str, object]) -> T:
        _end_lost_runs(voice)
        return work()

    with _on_the_server(voice):
        return run(parameters)


@contextmanager
def _on_the_server(voice: str) -> Iterator[None]:
    """Tags what runs with its voice and process. Raises ServerError where the server went away meanwhile."""
    try:
        with tags(f"voice:{voice}", _mine()):
            yield
    except TransportError as error:
        raise ServerError(
            f"the Prefect server at {os.environ['PREFECT_API_URL']} went away during the run ({error}); stages that "
            "ended are kept: the same command goes on from there, with a new server or with --no-prefect"
        ) from error


def _publish_verdict(voice: str, judged: GatedCandidate) -> None:
    create_table_artifact(key=f"{_key(voice)}-figures", table=judged.table(), description=f"Figures of {voice}")
    create_markdown_artifact(key=f"{_key(voice)}-verdict", markdown=judged.markdown())


def _key(voice: str) -> str:
    """A voice's name as Prefect wants the keys of artifacts."""
    return voice.lower().replace("_", "-")


def _mine() -> str:
    """A tag that names this process, so that a later run can tell whether it still lives."""
    return f"process:{socket.gethostname()}:{os.getpid()}"


def _end_lost_runs(voice: str) -> None:
    """Runs of this voice that a kill left `Running` become `Crashed`: their process on this machine is gone."""
    wanted = FlowRunFilter.model_validate(
        {"tags": {"all_": [f"voice:{voice}"]}, "state": {"type": {"any_": ["RUNNING", "PENDING"]}}}
    )
    with get_client(sync_client=True) as client:
        for run in client.read_flow_runs(flow_run_filter=wanted, sort=FlowRunSort.START_TIME_DESC, limit=200):
            if str(run.id) != runtime.flow_run.id and _is_lost(run.tags):
                client.set_flow_run_state(run.id, Crashed(message="its process was killed"), force=True)


def _is_lost(run_tags: list[str]) -> bool:
    for tag in run_tags:
        kind, _, rest = tag.partition(":")
        host, _, pid = rest.rpartition(":")
        if kind == "process" and host == socket.gethostname() and pid.isdigit():
            try:
                os.kill(int(pid), 0)
            except ProcessLookupError:
                return True
            except PermissionError:
                return False
    return False

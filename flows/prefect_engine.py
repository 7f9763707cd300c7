"""The flows of Prefect: train_and_release, gate, evaluate_champion.

Import this after flows.prefect_server.ensure_server, because prefect reads its settings on import.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TypeVar

from httpx import TransportError
from prefect import flow, get_client, get_run_logger, runtime, tags, task
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.schedules import CronSchedule
from prefect.client.schemas.sorting import FlowRunSort
from prefect.states import Crashed

from flows.errors import FlowError
from flows.evaluate_champion import RescoreResult, evaluate_champion
from flows.gate_and_promote import GatedCandidate
from flows.prefect_server import PrefectServerError
from flows.run_view import RunView
from flows.train_and_release import Log, Outcome, Request, run_pipeline

T = TypeVar("T")
PROCESS = "process:"  # begins the tag that names a run's process
MAX_LOST_RUNS = 200  # looked at when a run begins


class PrefectEngine:
    """Each step is a Prefect task of the running flow, never retried, with its log lines in the task's log."""

    def step(self, name: str, work: Callable[[Log], T]) -> T:
        """Run a step as a task."""

        @task(name=name, task_run_name=name, retries=0, cache_policy=NO_CACHE, persist_result=False)
        def run() -> T:
            return work(get_run_logger().info)

        return run()

    def publish(self, voice: str, outcome: Outcome) -> None:
        """Keep the figures as a table, the verdict as Markdown and the report as a link."""
        publish_verdict(voice, outcome.candidate)
        create_link_artifact(
            key=f"{_key(voice)}-report",
            link=outcome.report.as_uri(),
            link_text=f"Report of {voice}",
            description=f"Report of {voice}, on the machine that ran it",
        )


def run_with_prefect(request: Request, view: RunView) -> Outcome:
    """Run the pipeline as a flow run of the server that PREFECT_API_URL names."""

    def work() -> Outcome:
        return run_pipeline(request, view, engine=PrefectEngine())

    return _run_as_flow("train_and_release", request.voice, work=work, parameters=asdict(request))


def gate_with_prefect(voice: str, version: int | None, *, gate: Callable[[], GatedCandidate]) -> GatedCandidate:
    """Give a verdict as a flow run, with the figures and the verdict as its artifacts.

    Args:
        voice: The voice.
        version: The version to gate, None for the newest. The flow run shows it as a parameter.
        gate: Gives the verdict.
    """

    def work() -> GatedCandidate:
        candidate = PrefectEngine().step("gate", lambda log: gate())
        publish_verdict(voice, candidate)
        return candidate

    return _run_as_flow("gate", voice, work=work, parameters={"voice": voice, "version": version})


class DriftFound(FlowError, RuntimeError):  # noqa: N818  (an answer, which makes a scheduled run fail where people look)
    """The version does not score as it did when it was registered."""

    exit_code = 1

    def __init__(self, result: RescoreResult) -> None:
        super().__init__("; ".join(result.findings))
        self.result = result


@flow(name="evaluate_champion", flow_run_name="{voice}", persist_result=False, retries=0)
def evaluate_champion_flow(voice: str, version: int | None = None) -> RescoreResult:
    """Score the champion again and keep the trend as a table and the findings as Markdown. Raises DriftFound."""
    result = evaluate_champion(voice, version, engine=PrefectEngine())
    create_table_artifact(key=f"{_key(voice)}-trend", table=result.table(), description=f"Trend of {voice}")
    create_markdown_artifact(
        key=f"{_key(voice)}-drift", markdown=result.markdown(), description=f"What drifted of {voice}"
    )
    if result.has_drifted:
        raise DriftFound(result)
    return result


def rescore_with_prefect(voice: str, version: int | None) -> RescoreResult:
    """Run evaluate_champion as a flow run of the server that PREFECT_API_URL names."""
    try:
        with _connected_for(voice):
            return evaluate_champion_flow(voice, version)
    except DriftFound as found:
        return found.result


def rescore_on_schedule(voice: str, version: int | None, *, cron: str) -> None:
    """Serve evaluate_champion for a voice until interrupted. Prefect starts it at the times of `cron`.

    Args:
        voice: The voice.
        version: The version, None for what is champion at that time.
        cron: When, as a line of cron in UTC.

    Raises:
        ValueError: `cron` is not a line of cron.
    """
    try:
        CronSchedule(cron=cron)
    except ValueError as error:
        raise ValueError(
            f"--every {cron!r} is not a time of cron; write minute, hour, day, month and weekday, such as '0 6 * * 1'"
        ) from error
    name = voice if version is None else f"{voice}-version-{version}"
    parameters = {"voice": voice, "version": version}
    evaluate_champion_flow.serve(name=name, cron=cron, parameters=parameters, tags=[f"voice:{voice}"])


def _run_as_flow(name: str, voice: str, *, work: Callable[[], T], parameters: dict[str, object]) -> T:
    """Run work() as a flow run that shows its parameters, after runs of the voice that a kill left open are ended."""

    @flow(name=name, flow_run_name=f"{voice}-{datetime.now(UTC):%Y%m%d-%H%M%S}", persist_result=False, retries=0)
    def run(parameters: dict[str, object]) -> T:
        end_lost_runs(voice)
        return work()

    with _connected_for(voice):
        return run(parameters)


def _connected_for(voice: str) -> AbstractContextManager[None]:
    remedy = "stages that ended are kept: the same command goes on from there, with a new server or with --no-prefect"
    return connected(f"voice:{voice}", remedy=remedy)


@contextmanager
def connected(tag: str, *, remedy: str) -> Iterator[None]:
    """Tag flow runs with what they are about and with their process.

    Args:
        tag: What they are about, such as `voice:anna`.
        remedy: What to do where the server goes away, for the error.

    Raises:
        PrefectServerError: The server went away meanwhile.
    """
    try:
        with tags(tag, process_tag()):
            yield
    except TransportError as error:
        raise PrefectServerError(
            f"the Prefect server at {os.environ['PREFECT_API_URL']} went away during the run ({error}); {remedy}"
        ) from error


def publish_verdict(voice: str, candidate: GatedCandidate) -> None:
    """Keep the figures of a verdict as a table, and the verdict as Markdown."""
    create_table_artifact(key=f"{_key(voice)}-figures", table=candidate.table(), description=f"Figures of {voice}")
    create_markdown_artifact(
        key=f"{_key(voice)}-verdict", markdown=candidate.markdown(), description=f"Verdict about {voice}"
    )


def _key(voice: str) -> str:
    """Return a voice's name as Prefect wants it in the keys of artifacts."""
    return voice.lower().replace("_", "-")


def process_tag() -> str:
    """Return a tag that names this process, so that a later run can tell whether it is still alive."""
    return f"{PROCESS}{socket.gethostname()}:{os.getpid()}"


def tag_run(voice: str, *, names_process: bool) -> None:
    """Tag the current run, which a server started, with its voice and process.

    Args:
        voice: The voice.
        names_process: Whether the run ends with this process. A run that will be suspended does not: another process
            goes on with it, and with the tag of this one it would look dead until then.
    """
    kept = {tag for tag in runtime.flow_run.tags if not tag.startswith(PROCESS)}
    process = {process_tag()} if names_process else set()
    with get_client(sync_client=True) as client:
        client.update_flow_run(runtime.flow_run.id, tags={*kept, *process, f"voice:{voice}"})


def end_lost_runs(voice: str) -> None:
    """End runs of this voice whose process on this machine is gone. A kill leaves them `Running`."""
    end_lost_runs_with(f"voice:{voice}")


def end_lost_runs_with(tag: str) -> None:
    """End runs with this tag whose process on this machine is gone."""
    unfinished = FlowRunFilter.model_validate(
        {"tags": {"all_": [tag]}, "state": {"type": {"any_": ["RUNNING", "PENDING"]}}}
    )
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(flow_run_filter=unfinished, sort=FlowRunSort.START_TIME_DESC, limit=MAX_LOST_RUNS)
        for run in runs:
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

"""The line as a Prefect flow. Import it after flows.server.ensure_server: prefect reads its settings on import."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from prefect import flow, get_client, get_run_logger, runtime, tags, task
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.sorting import FlowRunSort
from prefect.states import Crashed

from flows.train_and_release import Log, Outcome, Request, run_line
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
        key = voice.lower().replace("_", "-")
        create_table_artifact(key=f"{key}-figures", table=outcome.judged.table(), description=f"Figures of {voice}")
        create_markdown_artifact(key=f"{key}-verdict", markdown=outcome.judged.markdown())
        create_link_artifact(key=f"{key}-report", link=outcome.report.as_uri(), link_text=f"Report of {voice}")


def run_with_prefect(request: Request, view: RunView) -> Outcome:
    """Run the line as a flow run of the server that PREFECT_API_URL names."""

    @flow(
        name="train_and_release",
        flow_run_name=f"{request.voice}-{datetime.now(UTC):%Y%m%d-%H%M%S}",
        persist_result=False,
    )
    def train_and_release(voice: str, promote: bool, first_release: bool) -> Outcome:
        _end_lost_runs(voice)
        return run_line(Request(voice, promote, first_release), view, PrefectEngine())

    with tags(f"voice:{request.voice}", _mine()):
        return train_and_release(request.voice, request.promote, request.first_release)


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

"""The line: recordings in, a gated release out. The same steps with Prefect and without."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, TypeVar

from flows.dvc_stages import STAGES, StageResult, reproduce, stale_stages
from flows.release import (
    GatedCandidate,
    candidate_is_registered,
    gate_newest,
    promote_if_passed,
    recordings_dir,
    write_report,
)
from flows.view import RunView
from registry.consent import check_consent
from registry.gate.policy import parse_policy
from stages.execution.locks import locked
from stages.params import load_params

T = TypeVar("T")
Log = Callable[[str], None]


class Engine(Protocol):
    """Runs one named step; `work` gets a function that takes log lines."""

    def step(self, name: str, work: Callable[[Log], T]) -> T: ...

    def publish(self, voice: str, outcome: Outcome) -> None: ...


@dataclass(frozen=True)
class Request:
    voice: str
    promote: bool = False
    first_release: bool = False  # a person accepts that there is no champion to compare with


@dataclass(frozen=True)
class Outcome:
    stages: tuple[StageResult, ...]
    judged: GatedCandidate
    release: str  # what became of the promotion; empty where none was asked for
    report: Path


class NoPrefect:
    """Runs each step at once, in this process."""

    def step(self, name: str, work: Callable[[Log], T]) -> T:
        return work(lambda line: None)

    def publish(self, voice: str, outcome: Outcome) -> None:
        pass


def run_pipeline(request: Request, view: RunView, engine: Engine) -> Outcome:
    """Reproduce what is stale, judge the candidate, and promote it where that was asked for and the gate passes.

    Nothing is retried: a stage that failed would fail again on the same inputs. One run a voice at a time.
    """
    voice = request.voice
    with locked(f"run-{voice}", wait_seconds=2):
        params = load_params()
        policy = parse_policy(params.gate)
        if voice not in params.voices:
            raise ValueError(
                f"{voice!r} is not among the voices of params.yaml ({', '.join(params.voices)}); "
                f"add it with `vox voice add {voice} FOLDER --language en --consent FILE`"
            )
        record = check_consent(recordings_dir(voice), datetime.now(UTC).date())
        if record.language != params.align.language:
            raise ValueError(
                f"{voice} speaks {record.language!r} by its voice.yaml, but align.language is "
                f"{params.align.language!r}; set right the one that is wrong"
            )
        results = build(voice, view, engine)
        judged = engine.step("gate", lambda log: gate_newest(voice, policy, request.first_release))
        release = engine.step("promote", lambda log: promote_if_passed(judged))[1] if request.promote else ""
        report = engine.step("report", lambda log: write_report(judged))
        outcome = Outcome(tuple(results), judged, release, report)
        engine.publish(voice, outcome)
        return outcome


def build(voice: str, view: RunView, engine: Engine) -> list[StageResult]:
    """Bring every stage of a voice up to date, in DAG order, asking DVC once and then for each stage that may run."""
    stale = engine.step("ask DVC what is stale", lambda log: stale_stages(voice))
    if not stale and not candidate_is_registered(voice):
        stale = {"register": "the candidate is not in this registry"}
    results: list[StageResult] = []
    ran = False
    for stage in STAGES:
        if not ran and stage not in stale:
            view.finished(stage, "fresh")
            results.append(StageResult(stage, "fresh", ()))
            continue
        view.started(stage, stale.get(stage, "a stage before it ran"))
        force = stage == "register" and not candidate_is_registered(voice)
        result = engine.step(stage, lambda log, s=stage, f=force: reproduce(s, voice, _both(view, s, log), f))
        view.finished(stage, result.state)
        ran = True
        results.append(result)
    if not ran:
        view.say(f"all {len(STAGES)} stages are up to date")
    return results


def _both(view: RunView, stage: str, log: Log) -> Log:
    def on_line(line: str) -> None:
        view.line(stage, line)
        log(line)

    return on_line

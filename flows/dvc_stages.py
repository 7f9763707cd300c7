"""DVC for a flow: which stages of a voice are stale, and one stage reproduced with its log streamed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from flows.dvc_locks import forget_dead_holders
from flows.dvc_remote import default_remote
from flows.errors import FlowError
from flows.paths import recordings_dir
from flows.stage_records import (
    find_false_record,
    forget_killed_runs,
    forget_note,
    forget_record,
    read_records,
)
from stages.corrections.file import hold_corrections
from stages.execution.inputs import changed_files, join_changes, read_inputs
from stages.execution.locks import locked
from stages.execution.processes import RUN_PID, die_with_parent

# Every stage comes after the stages that it reads from; tests/test_dvc_yaml.py compares the order with dvc.yaml.
STAGES = (
    "ingest",
    "segment",
    "align",
    "data_card",
    "features",
    "adapt_sovits",
    "adapt_gpt",
    "evaluate",
    "register",
)

State = Literal["fresh", "unchanged", "restored", "ran"]
# What `dvc repro` says around a stage's own lines.
NOISE = (
    "Running stage",
    "> ",
    "Updating lock",
    "Generating lock",
    "To track",
    "\tgit add",
    "To enable",
    "\tdvc config",
    "Use `dvc push`",
)
EMPTY_OUTPUT = "' is empty."  # a table without rows, such as that of the dropped clips, is not a fault
# What DVC says when it need not run a stage. Without either line the stage ran.
MARKS: dict[State, str] = {"unchanged": "didn't change, skipping", "restored": "is cached - skipping run"}
MAX_CHANGES_SHOWN = 2  # in a reason; of the others only the number is given
NEVER_RAN = "for the first time"
STAGE_BEGINS = re.compile(r"Running stage '(\w+)@")  # of DVC
# Not for stages in another folder: they would lead to this project's registry, or past that folder's modules.
OWN_SETTINGS = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "VOXFOUNDRY_DATABASE_URI", "PYTHONSAFEPATH")
LOCK_WAIT_SECONDS = 86_400.0  # another voice's run may take hours
MAX_RUNS = 4  # of a stage whose recordings change while it runs


class StageFailedError(FlowError, RuntimeError):
    """A stage, or DVC itself, ended with an error."""


@dataclass(frozen=True, kw_only=True)
class StageResult:
    """What `dvc repro` did for one stage.

    Attributes:
        stage: The stage's name.
        state: "fresh" and "unchanged": it was up to date. "restored": its outputs came from the cache. "ran": it ran.
    """

    stage: str
    state: State


def stale_stages(voice: str) -> dict[str, str]:
    """Return the stages of a voice that DVC would run, each with the reason in a few words.

    Raises:
        StageFailedError: If DVC cannot tell.
    """
    targets = [f"{stage}@{voice}" for stage in STAGES]
    with _exclusive_dvc():
        forget_killed_runs(STAGES, voice)
        status = subprocess.run(
            [*_dvc(), "status", "--json", *targets],
            capture_output=True,
            text=True,
            check=False,
            env=_environment(),
            preexec_fn=die_with_parent,
        )
    if status.returncode:
        raise StageFailedError(f"dvc status: {_last_error(status.stderr.splitlines()) or 'failed without a message'}")
    changes = json.loads(status.stdout or "{}")
    known = read_records()  # of the others DVC says that everything is modified or deleted
    return {name.split("@")[0]: _reason(why) if name in known else NEVER_RAN for name, why in changes.items()}


def reproduce(stage: str, voice: str, *, on_line: Callable[[str], None], force: bool = False) -> StageResult:
    """Run `dvc repro` for one stage of one voice.

    Where the project has a default remote, DVC looks there too for outputs of equal inputs. Where recordings, or the
    decisions beside them, change while the stage runs, it runs again, so that its output is made from all of them.

    Args:
        stage: The stage's name.
        voice: The voice.
        on_line: Takes each line of the stage's output at once.
        force: Whether the stage runs even if nothing changed.

    Raises:
        StageFailedError: With the stage's own last error line, or because its parameters or its recordings went on
            changing.
    """
    command = [*_dvc(), "repro", "--single-item", f"{stage}@{voice}"]
    command += ["--force"] if force else ["--pull"] if default_remote() else []
    for n_left in reversed(range(MAX_RUNS)):
        result, changes = _reproduce_once(stage, voice, command=command, on_line=on_line, is_last=not n_left)
        if result is not None:
            return result
        if n_left:
            on_line(f"{join_changes(changes)} changed meanwhile: {stage} runs again")
    raise StageFailedError(
        f"stage {stage} of {voice}: {join_changes(changes)} changed while {stage} ran, {MAX_RUNS} times; run again "
        "once nothing is copied into the recordings any more"
    )


def _reproduce_once(
    stage: str, voice: str, *, command: list[str], on_line: Callable[[str], None], is_last: bool
) -> tuple[StageResult | None, list[str]]:
    """Run a stage, or restore its outputs, and keep nothing that DVC recorded of other inputs than those that it read.

    A reviewer may decide as often as ingest runs. In the last run, their decisions wait for its end.

    Returns:
        The result, and nothing else. Or None, and which recordings changed, where the stage is to run again.
    """
    with _exclusive_dvc(), hold_corrections(recordings_dir(voice)) if is_last else nullcontext():
        forget_note(stage, voice)
        before = read_inputs(stage, voice)
        code, log = _run_dvc(command, on_line)
        if code:
            changes = changed_files(before, read_inputs(stage, voice))
            if only_recordings := [path for path in changes if _is_recording(path, voice)]:
                return None, only_recordings
            message = _last_error(log) or f"dvc repro ended with exit code {code}"
            raise StageFailedError(f"stage {stage} of {voice}: {message}")
        state: State = next((state for state, mark in MARKS.items() if any(mark in line for line in log)), "ran")
        changes = [] if state == "unchanged" else find_false_record(stage, voice, before=before)
        if changes:
            forget_record(stage, voice)
        forget_note(stage, voice)
    if not changes:
        return StageResult(stage=stage, state=state), []
    if state == "restored" or all(_is_recording(path, voice) for path in changes):
        return None, changes
    raise StageFailedError(
        f"stage {stage} of {voice}: {join_changes(changes)} changed while {stage} ran, so its output is not kept; "
        "run again"
    )


def _is_recording(path: str, voice: str) -> bool:
    return Path(path).is_relative_to(recordings_dir(voice))


@dataclass(frozen=True, kw_only=True)
class Recomputation:
    """What a run of all stages in another folder did.

    Attributes:
        seconds: How long each stage took that ended, by its name.
        fault: Why a stage failed, after which none ran, "" where all ended.
    """

    seconds: Mapping[str, float]
    fault: str


def compute_again(
    stages: Sequence[str],
    voice: str,
    *,
    root: Path,
    on_stage: Callable[[str], None],
    on_line: Callable[[str], None],
) -> Recomputation:
    """Run stages of a voice in another project, without any output of an earlier run, and away from the registry.

    Args:
        stages: Their names.
        voice: The voice.
        root: The other project, which nobody else uses and which has no dvc.lock.
        on_stage: Takes the name of each stage as it begins, and "" once the last one has ended.
        on_line: Takes each line of output that is not DVC's own.
    """
    command = [*_dvc(), "repro", "--no-run-cache", "--no-commit", *(f"{stage}@{voice}" for stage in stages)]
    log: list[str] = []
    begun: dict[str, float] = {}
    with _StreamedProcess(command, cwd=root, without=OWN_SETTINGS) as process:
        for line in process:
            log.append(line)
            if found := STAGE_BEGINS.match(line):
                begun[found[1]] = time.monotonic()
                on_stage(found[1])
            elif not line.startswith(NOISE) and not line.endswith(EMPTY_OUTPUT):
                on_line(line)
        code = process.wait()
    names, moments = list(begun), [*begun.values(), time.monotonic()]
    seconds = {name: end - begin for name, begin, end in zip(names, moments, moments[1:], strict=False)}
    if not code:
        on_stage("")
        return Recomputation(seconds=seconds, fault="")
    fault = _last_error(log) or f"dvc repro ended with exit code {code}"
    return Recomputation(seconds={name: seconds[name] for name in names[:-1]}, fault=fault)


def push_outputs(voice: str, *, on_line: Callable[[str], None]) -> None:
    """Send what the stages of a voice wrote, and of which inputs, to the default remote.

    Raises:
        StageFailedError: With DVC's last error line.
    """
    targets = [f"{stage}@{voice}" for stage in STAGES]
    with _exclusive_dvc():
        code, log = _run_dvc([*_dvc(), "push", "--run-cache", *targets], on_line)
    if code:
        raise StageFailedError(f"dvc push of {voice} to {default_remote()}: {_last_error(log)}")


def _run_dvc(command: list[str], on_line: Callable[[str], None]) -> tuple[int, list[str]]:
    """Run a DVC command, hand on its lines without noise, and return its exit code and all lines.

    The caller is in _exclusive_dvc.
    """
    log = []
    with _StreamedProcess(command) as process:
        for line in process:
            log.append(line)
            if not line.startswith(NOISE) and not line.endswith(EMPTY_OUTPUT):
                on_line(line)
        return process.wait(), log


@contextmanager
def _exclusive_dvc() -> Iterator[None]:
    """Hold the lock under which one DVC runs at a time, without traces of killed ones."""
    with locked("dvc", wait_seconds=LOCK_WAIT_SECONDS):
        forget_dead_holders()
        yield


class _StreamedProcess:
    """A child process that yields its output line by line, both streams together.

    It dies with this process and, with it, the stage that it runs. It is killed when its block is left early.

    Args:
        command: What to run.
        cwd: Where, None for the working folder.
        without: Environment variables that it does not get.
    """

    def __init__(self, command: list[str], *, cwd: Path | None = None, without: Sequence[str] = ()) -> None:
        self._child = subprocess.Popen(
            command,
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            env={name: value for name, value in _environment().items() if name not in without},
            preexec_fn=die_with_parent,
        )

    def __enter__(self) -> Self:
        return self

    def __iter__(self) -> Iterator[str]:
        for line in self._child.stdout:
            if line.strip():
                yield line.rstrip()

    def wait(self) -> int:
        return self._child.wait()

    def __exit__(self, *error: object) -> None:
        if self._child.poll() is None:
            self._child.kill()
        self._child.wait()
        self._child.stdout.close()


def _dvc() -> list[str]:
    return [sys.executable, "-m", "dvc"]


def _environment() -> dict[str, str]:
    """Return our environment in which the `python` of dvc.yaml is the one that runs us, activated or not."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1", RUN_PID: str(os.getpid())}


def _last_error(lines: list[str]) -> str:
    """Return the stage's own `error: ` line where there is one, else DVC's."""
    for start in ("error: ", "ERROR: "):
        for line in reversed(lines):
            if line.startswith(start):
                return line.removeprefix(start)
    return lines[-1] if lines else ""


def _reason(changes: list) -> str:
    """Return DVC's nested description of changes as `modified metrics/wer.py, deleted data/2_clips/sample`."""
    words = []
    for change in changes:
        if isinstance(change, str):
            words.append(change)
            continue
        for files in change.values():
            words += [f"{state} {path}" for path, state in files.items() if isinstance(state, str)]
            words += [
                f"{state} {key}" for keys in files.values() if isinstance(keys, dict) for key, state in keys.items()
            ]
    if len(words) > MAX_CHANGES_SHOWN:
        words = [*words[:MAX_CHANGES_SHOWN], f"{len(words) - MAX_CHANGES_SHOWN} more"]
    return ", ".join(words) or "changed"

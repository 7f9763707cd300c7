"""DVC from a flow: which stages of a voice are stale, and reproducing one of them with its log streamed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ruamel.yaml import YAML

from flows.dvc_locks import forget_dead_holders
from stages.execution.locks import locked
from stages.execution.processes import RUN_PID, die_with_parent

# In an order in which every stage comes after what it reads (tests/test_dvc_yaml.py holds it against dvc.yaml).
STAGES = ("ingest", "segment", "align", "features", "adapt_sovits", "adapt_gpt", "evaluate", "register")

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
EMPTY_OUTPUT = "' is empty."  # a table without rows, such as that of the dropped clips, is no fault
# What it says when it need not run a stage; without either line the stage ran.
MARKS: dict[State, str] = {"unchanged": "didn't change, skipping", "restored": "is cached - skipping run"}
SHOWN = 2  # changes named in a reason; their number says how many there are
NEVER_RAN = "for the first time"
A_DAY = 86_400.0  # how long to wait for another voice's run before giving up


class StageFailedError(RuntimeError):
    """A stage, or DVC itself, ended with an error."""


@dataclass(frozen=True)
class StageResult:
    stage: str
    state: State
    log: tuple[str, ...]


def stale_stages(voice: str) -> dict[str, str]:
    """The stages of `voice` that DVC would run, each with the reason in a few words; empty when nothing changed."""
    targets = [f"{stage}@{voice}" for stage in STAGES]
    with locked("dvc", wait_seconds=A_DAY):
        forget_dead_holders()
        done = subprocess.run(
            [*_dvc(), "status", "--json", *targets],
            capture_output=True,
            text=True,
            check=False,
            env=_environment(),
            preexec_fn=_tied,
        )
    if done.returncode:
        raise StageFailedError(f"dvc status: {_last_error(done.stderr.splitlines()) or 'failed without a message'}")
    status = json.loads(done.stdout or "{}")
    known = _stages_that_ran()
    return {name.split("@")[0]: _reason(changes) if name in known else NEVER_RAN for name, changes in status.items()}


def _stages_that_ran() -> set[str]:
    """Of all voices, as `ingest@sample`: for DVC everything about the others is modified or deleted."""
    path = Path("dvc.lock")
    return set(YAML(typ="safe").load(path.read_text(encoding="utf-8"))["stages"]) if path.exists() else set()


def reproduce(stage: str, voice: str, on_line: Callable[[str], None], force: bool = False) -> StageResult:
    """Run `dvc repro` for one stage of one voice; each line that it prints goes to `on_line` at once.

    Raises StageFailedError with the stage's own last error line.
    """
    command = [*_dvc(), "repro", "--single-item", f"{stage}@{voice}", *(["--force"] if force else [])]
    log = []
    with _alone(), _lines(command) as lines:
        for line in lines:
            log.append(line)
            if not line.startswith(NOISE) and not line.endswith(EMPTY_OUTPUT):
                on_line(line)
        code = lines.wait()
    if code:
        message = _last_error(log) or f"dvc repro ended with exit code {code}"
        raise StageFailedError(f"stage {stage} of {voice}: {message}")
    state: State = next((state for state, mark in MARKS.items() if any(mark in line for line in log)), "ran")
    return StageResult(stage, state, tuple(log))


@contextmanager
def _alone() -> Iterator[None]:
    """One DVC at a time, and no trace of killed ones."""
    with locked("dvc", wait_seconds=A_DAY):
        forget_dead_holders()
        yield


class _lines:  # noqa: N801 - reads as a function where it is used
    """A child process whose output, both streams, is iterated line by line; killed when the block is left early."""

    def __init__(self, command: list[str]) -> None:
        self._child = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=_environment(),
            preexec_fn=_tied,
        )

    def __enter__(self) -> _lines:
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
    """Ours; the `python` of dvc.yaml is the one that runs us, whether or not its environment is activated."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1", RUN_PID: str(os.getpid())}


def _tied() -> None:
    """Runs in the child before DVC starts: it dies with us, and its stage with it."""
    die_with_parent()


def _last_error(lines: list[str]) -> str:
    """The stage's own `error: ` line where there is one, else DVC's."""
    for start in ("error: ", "ERROR: "):
        for line in reversed(lines):
            if line.startswith(start):
                return line.removeprefix(start)
    return lines[-1] if lines else ""


def _reason(changes: list) -> str:
    """DVC's nested description of what changed, as `modified metrics/wer.py, deleted data/2_clips/sample`."""
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
    if len(words) > SHOWN:
        words = [*words[:SHOWN], f"{len(words) - SHOWN} more"]
    return ", ".join(words) or "changed"

"""Whether DVC recorded of a stage what its program read, and how a false record is taken back.

DVC hashes the inputs of a stage some seconds after the stage's program compared them last (stages/execution/inputs.py),
and after it restored outputs of an earlier run. An edit in those seconds makes a false record, in dvc.lock and in the
run cache, which would restore it. Both are removed here.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from flows.dvc_objects import find_dvc_cache
from stages.execution.inputs import (
    StageInputs,
    changed_files,
    compare_params,
    flatten,
    note_path,
    read_inputs,
    read_note,
)
from stages.execution.outputs import write_atomically

LOCK = Path("dvc.lock")
PARAMS = "params.yaml"  # the key of a record's parameters


def find_false_record(stage: str, voice: str, *, before: StageInputs) -> list[str]:
    """Return what differs between what a stage read and what DVC recorded, empty where the record is true.

    Args:
        stage: The stage, whose run DVC has recorded.
        voice: The voice.
        before: What was there before DVC began. What the stage's program left counts instead, where it ran.
    """
    read = read_note(stage, voice) or before
    entry = read_records().get(f"{stage}@{voice}")
    if entry is None:
        return []
    return [*compare_params(read.params, recorded_params(entry)), *changed_files(read, read_inputs(stage, voice))]


def forget_killed_runs(stages: Sequence[str], voice: str) -> None:
    """Remove the false records of runs that were killed between DVC's record and its check.

    Args:
        stages: All stages.
        voice: The voice.
    """
    for stage in stages:
        if note := read_note(stage, voice):
            is_recorded = LOCK.exists() and LOCK.stat().st_mtime_ns >= note_path(stage, voice).stat().st_mtime_ns
            if is_recorded and find_false_record(stage, voice, before=note):
                forget_record(stage, voice)
            forget_note(stage, voice)


def forget_note(stage: str, voice: str) -> None:
    """Remove what the program of a stage left about its inputs."""
    note_path(stage, voice).unlink(missing_ok=True)


def forget_record(stage: str, voice: str) -> None:
    """Remove what DVC recorded of a stage from its run cache and from dvc.lock."""
    name = f"{stage}@{voice}"
    entry = read_records()[name]
    # 1. The run cache first: with dvc.lock alone, a kill here would leave what restores the record.
    if cache := find_dvc_cache():
        for path in cache.runs.glob("*/*/*"):
            if path.is_file() and _has_same_inputs(YAML(typ="safe").load(path.read_text(encoding="utf-8")), entry):
                path.unlink(missing_ok=True)
                if not any(path.parent.iterdir()):
                    path.parent.rmdir()  # DVC fails where it is empty
    # 2. dvc.lock, whose other stages keep their lines
    yaml, text = YAML(), io.StringIO()
    whole = yaml.load(LOCK.read_text(encoding="utf-8"))
    del whole["stages"][name]
    yaml.dump(whole, text)
    write_atomically(LOCK, text.getvalue())


def recorded_params(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters in DVC's record of a stage, by their dotted keys."""
    found: dict[str, Any] = {}
    for key, value in entry.get("params", {}).get(PARAMS, {}).items():
        found |= flatten(key, value)
    return found


def read_records() -> Mapping[str, Mapping[str, Any]]:
    """Return the entry of each stage in dvc.lock, by names such as `ingest@sample`."""
    if not LOCK.exists():
        return {}
    return (YAML(typ="safe").load(LOCK.read_text(encoding="utf-8")) or {}).get("stages", {})


def _has_same_inputs(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    inputs = [
        (entry.get("cmd"), {dep["path"]: dep.get("md5") for dep in entry.get("deps", ())}, entry.get("params"))
        for entry in (one, other)
    ]
    return inputs[0] == inputs[1]

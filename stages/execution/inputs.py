"""What a stage reads, compared between its start and its end.

DVC hashes the inputs of a stage after its program has ended. An input that was edited meanwhile would be recorded as
what made the output: the edit would never take effect, and the run cache would hand the false record on. So the
program of a stage takes the state of its inputs before it reads any of them, compares it before its output takes its
place, and fails where something changed. DVC then records nothing.

dvc.yaml says what a stage reads. Large files are compared by size, time and inode, because DVC hashes them anyway.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from registry.files import file_sha256, replace_file
from stages.errors import InputsChangedError
from stages.execution.processes import RUN_PID

DVC_YAML = Path("dvc.yaml")
PARAMS = Path("params.yaml")
NOTES = Path(".cache/stage_inputs")
IGNORED = ("__pycache__", "*.partial")  # as in .dvcignore
MAX_HASHED_BYTES = 1_000_000  # a module that was only touched has not changed
MAX_CHANGES_SHOWN = 3
TEMPLATE = re.compile(r"\$\{([\w.]+)\}")


@dataclass(frozen=True)
class StageInputs:
    """The state of what a stage reads.

    Attributes:
        stage: Name of the stage.
        voice: Name of the voice.
        params: Each value of params.yaml, by its dotted key.
        files: For each path in `deps`, a stamp of each file in it, by the file's path.
    """

    stage: str
    voice: str
    params: dict[str, Any]
    files: dict[str, dict[str, str]]

    def read_again(self, path: Path) -> None:
        """Take the state of one file anew, just before the stage reads it. An earlier edit of it does not count."""
        for dep, stamps in self.files.items():
            if path.is_relative_to(dep):
                stamps.pop(str(path), None)
                stamps |= _stamps(path, is_hashed=False)

    def check(self) -> None:
        """Compare with the state now.

        Raises:
            InputsChangedError: something changed.
        """
        if changes := list_changes(self, read_inputs(self.stage, self.voice)):
            raise InputsChangedError(
                f"{join_changes(changes)} changed while {self.stage} ran, and its output would count as made from what "
                "is there now, so it is not kept; run again"
            )

    def write_note(self) -> None:
        """Leave the state for the `vox run` that waits for this stage. Without one, nobody would read it."""
        if RUN_PID in os.environ:
            NOTES.mkdir(parents=True, exist_ok=True)
            replace_file(note_path(self.stage, self.voice), json.dumps(asdict(self)))


def read_inputs(stage: str, voice: str) -> StageInputs:
    """Return the state of what dvc.yaml says that a stage reads, nothing where it does not name the stage."""
    raw = _load(PARAMS)
    entry = _load(DVC_YAML).get("stages", {}).get(stage, {})
    params: dict[str, Any] = {}
    for key in entry.get("params", ()):
        params |= flatten(key, look_up(raw, key))
    files = {}
    for dep in entry.get("deps", ()):
        path = Path(_fill_in(dep, voice, raw))
        files[str(path)] = _stamps(path, is_hashed=True)
    return StageInputs(stage, voice, _as_json(params), files)


def read_note(stage: str, voice: str) -> StageInputs | None:
    """Return the state that a stage's program left, None where it left none."""
    try:
        return StageInputs(**json.loads(note_path(stage, voice).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def note_path(stage: str, voice: str) -> Path:
    """Return where a stage's program leaves the state of its inputs."""
    return NOTES / f"{stage}-{voice}.json"


def list_changes(before: StageInputs, after: StageInputs) -> list[str]:
    """Return what changed between two states, each in a few words.

    A path that had no file before was not there yet: DVC fetched it for the stage.
    """
    return [*compare_params(before.params, after.params), *changed_files(before, after)]


def changed_files(before: StageInputs, after: StageInputs) -> list[str]:
    """Return the paths of files that changed between two states, appeared or went."""
    found = []
    for dep, stamps in before.files.items():
        now = after.files.get(dep, {})
        if stamps:
            found += sorted(path for path in stamps.keys() | now.keys() if stamps.get(path) != now.get(path))
    return found


def compare_params(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return the keys with different values, each as `segment.n_jobs in params.yaml (1, now 2)`."""
    found = []
    for key in sorted(before.keys() | after.keys()):
        old, new = (json.dumps(one[key]) if key in one else "not set" for one in (before, after))
        if old != new and before.get(key) != after.get(key):
            found.append(f"{key} in {PARAMS} ({old}, now {new})")
    return found


def join_changes(changes: list[str]) -> str:
    """Return changes as one text, of many only the first."""
    shown = changes[:MAX_CHANGES_SHOWN]
    return ", ".join(shown) + (f" and {len(changes) - len(shown)} more" if len(changes) > len(shown) else "")


def flatten(key: str, value: Any) -> dict[str, Any]:
    """Return the values below a key by their dotted keys. An empty mapping is a value."""
    if not isinstance(value, Mapping) or not value:
        return {key: value}
    return {name: one for part, inner in value.items() for name, one in flatten(f"{key}.{part}", inner).items()}


def look_up(values: Any, key: str) -> Any:
    """Return the value of a dotted key, None where it is missing."""
    for part in key.split("."):
        values = values.get(part) if isinstance(values, Mapping) else None
    return values


def file_state(path: Path) -> str:
    """Return a file's size, time of the last change and inode as one text."""
    stat = path.stat()
    return f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ino}"


def _load(path: Path) -> dict[str, Any]:
    """Return a YAML file, nothing where it cannot be read. Whoever needs its values says so in an error."""
    try:
        values = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except (OSError, YAMLError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def _fill_in(dep: str, voice: str, raw: Mapping[str, Any]) -> str:
    """Return a path of dvc.yaml with the values of its templates."""
    return TEMPLATE.sub(lambda found: voice if found[1] == "item.voice" else str(look_up(raw, found[1])), dep)


def _as_json(values: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(values, default=str))


def _stamps(path: Path, *, is_hashed: bool) -> dict[str, str]:
    """Return a stamp of each file at a path: of a single small file its hash, if wanted, else size, time and inode."""
    stamps = {}
    for file in _files_at(path):
        try:
            is_small = is_hashed and file == path and file.stat().st_size <= MAX_HASHED_BYTES
            stamps[str(file)] = file_sha256(file) if is_small else file_state(file)
        except FileNotFoundError:
            continue
    return stamps


def _files_at(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for folder, folders, names in os.walk(path):
        folders[:] = [name for name in folders if not _is_ignored(name)]
        yield from (Path(folder, name) for name in names if not _is_ignored(name))


def _is_ignored(name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in IGNORED)

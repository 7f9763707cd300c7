"""Delete from DVC's cache what was made for a voice, in this run or in an earlier one.

DVC names its objects by their content, and its run cache says which stage read and wrote which object. An object that a
stage of another voice read or wrote too stays.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ruamel.yaml import YAML

from flows.paths import RECORDINGS

DATA = RECORDINGS.parent


@dataclass(frozen=True)
class DvcCache:
    """Where DVC keeps objects by their md5, and the records of its runs."""

    objects: Path
    runs: Path


def find_dvc_cache() -> DvcCache | None:
    """Return the cache of the project in the working folder, None where it does not use DVC."""
    from dvc.exceptions import NotDvcRepoError
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            objects = Path(repo.cache.local.path)
            return DvcCache(objects, Path(repo.stage_cache.cache_dir))
    except NotDvcRepoError:
        return None


def delete_objects(cache: DvcCache, voice: str, *, with_recordings: bool, lock: Path = Path("dvc.lock")) -> int:
    """Delete what the stages of a voice wrote, and the records of their runs. Return the number of objects deleted.

    Args:
        cache: DVC's cache.
        voice: The voice's name.
        with_recordings: Whether what the stages read of the voice's recordings is deleted too.
        lock: dvc.lock, which stays as it is: it has hashes only.
    """
    yaml = YAML(typ="safe")
    own, others, own_runs = set(), set(), []
    # 1. Tell the objects of the voice from those of others
    entries = [(path, yaml.load(path.read_text(encoding="utf-8"))) for path in _files(cache.runs)]
    if lock.is_file():
        stages = yaml.load(lock.read_text(encoding="utf-8")).get("stages", {})
        entries += [(None, entry) for entry in stages.values()]
    for path, entry in entries:
        is_own = False
        for place, md5 in _objects(entry):
            if _is_of(place, voice):
                is_own = True
                if with_recordings or not _is_within(place, RECORDINGS):
                    own.add(md5)
            else:
                others.add(md5)
        if is_own and path is not None:
            own_runs.append(path)
    # 2. Delete objects, folders last because they list files, and then the records of runs
    kept = {md5 for folder in others for md5 in (folder, *_files_of(cache, folder))}
    doomed = {md5 for folder in own for md5 in _files_of(cache, folder)} | own
    present = [path for md5 in sorted(doomed - kept, key=_is_folder) if (path := _object(cache, md5)).exists()]
    for path in (*present, *own_runs):
        path.unlink(missing_ok=True)
    return len(present)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _objects(entry: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield path and md5 of everything that a run read or wrote."""
    for one in (*entry.get("deps", ()), *entry.get("outs", ())):
        if "md5" in one:
            yield one["path"], one["md5"]


def _is_of(place: str, voice: str) -> bool:
    """Return whether a path is data/FOLDER/VOICE or inside it."""
    parts = PurePosixPath(place).parts
    return len(parts) >= 3 and parts[0] == DATA.name and parts[2] == voice


def _is_within(place: str, folder: Path) -> bool:
    return PurePosixPath(place).is_relative_to(folder.as_posix())


def _files_of(cache: DvcCache, md5: str) -> list[str]:
    """Return the objects of the files in a folder. A file has none."""
    path = _object(cache, md5)
    if not _is_folder(md5) or not path.is_file():
        return []
    return [one["md5"] for one in json.loads(path.read_text(encoding="utf-8"))]


def _is_folder(md5: str) -> bool:
    return md5.endswith(".dir")


def _object(cache: DvcCache, md5: str) -> Path:
    return cache.objects / md5[:2] / md5[2:]

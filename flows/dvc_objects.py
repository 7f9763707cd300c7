"""Delete from DVC's cache what was made for a voice, in this run or in an earlier one.

DVC names its objects by their content. Its run cache says which stage read and wrote which object. `dvc add` puts
recordings there without a stage, and their voice.yaml in the cache says whose they are. An object that another voice
needs too stays.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ruamel.yaml import YAML

from flows.paths import CAMPAIGNS, RECORDINGS
from registry.consent.record import VOICE_FILE, ConsentError
from registry.consent.yaml_file import read_yaml

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
        with_recordings: Whether the voice's recordings are deleted too, in every state that the cache has. Else they
            are kept, also where a stage wrote the same bytes.
        lock: dvc.lock, which stays as it is: it has hashes only.

    Raises:
        ValueError: A list of DVC is damaged. Nothing was deleted.
        OSError: Something could not be read or deleted.
    """
    own, others, own_runs = set(), set(), []
    recordings = own if with_recordings else others
    # 1. Tell what the stages of the voice read and wrote from what those of others did
    for path, entry in _runs(cache, lock):
        is_own = False
        for place, md5 in _objects(entry):
            if _is_of(place, voice):
                is_own = True
                (recordings if _is_within(place, RECORDINGS) else own).add(md5)
            else:
                others.add(md5)
        if is_own and path is not None:
            own_runs.append(path)
    # 2. Find what is in the voice's folders now, and the recordings that `dvc add` put into the cache
    for folder in DATA.iterdir():
        if folder.is_dir() and folder != CAMPAIGNS:  # whose folders have the names of campaigns
            (recordings if folder == RECORDINGS else own).update(map(_md5, _files(folder / voice)))
    for path in RECORDINGS.rglob("*.dvc"):
        is_own = path == dvc_file(voice) or RECORDINGS / voice in path.parents
        (recordings if is_own else others).update(md5 for _, md5 in _objects(_read(path)))
    added = list(_added_recordings(cache))
    known = own | {md5 for folder in own for md5 in _files_of(cache, folder)}
    is_shared = not cache.objects.resolve().is_relative_to(Path.cwd())  # another project may have a voice of this name
    for state in added:
        is_own = state.voice == voice and (not is_shared or not known.isdisjoint(state.objects))
        (recordings if is_own else others).update(state.objects)
    # 3. Delete objects, then the records of runs. Folders come last because they list files, and right before them the
    # files that say whose a folder is. A kill among these leaves lists without contents.
    kept = {md5 for folder in others for md5 in (folder, *_files_of(cache, folder))}
    doomed = {md5 for folder in own for md5 in _files_of(cache, folder)} | own
    records = {state.record for state in added}
    ordered = sorted(doomed - kept, key=lambda md5: (_is_folder(md5), md5 in records))
    present = [path for md5 in ordered if (path := _object(cache, md5)).exists()]
    for path in (*present, *own_runs):
        path.unlink(missing_ok=True)
    for folder in cache.runs.glob("*/*"):  # DVC fails at one that is empty
        with suppress(OSError):  # it holds the records of others
            folder.rmdir()
    return len(present)


def dvc_file(voice: str) -> Path:
    """Return the file with which `dvc add` notes the recordings of a voice."""
    return RECORDINGS / f"{voice}.dvc"


@dataclass(frozen=True, kw_only=True)
class _AddedRecordings:
    """Recordings of one voice in one state, as a list of the cache names them.

    Attributes:
        voice: As their voice.yaml says.
        record: The md5 of that file.
        objects: The md5 of each file, and of the list where it has nothing else.
    """

    voice: str
    record: str
    objects: frozenset[str]


def _added_recordings(cache: DvcCache) -> Iterator[_AddedRecordings]:
    """Yield the recordings in the cache, also those of states that no stage has read and no file names any more."""
    for path in cache.objects.glob("??/*.dir"):
        folder, listed = path.parent.name + path.name, []
        with suppress(ValueError):  # a damaged list that nobody may need must not keep a revocation from the others
            listed = [(PurePosixPath(place), md5) for place, md5 in _listed(cache, folder)]
        for record, record_md5 in listed:
            if record.name != VOICE_FILE:
                continue
            voice = None
            with suppress(ConsentError, OSError):
                content = read_yaml(_object(cache, record_md5))
                voice = content.get("name") if isinstance(content, dict) else None
            if isinstance(voice, str):
                inside = {md5 for place, md5 in listed if place.is_relative_to(record.parent)}
                whole = {folder} if len(record.parts) == 1 else set()
                yield _AddedRecordings(voice=voice, record=record_md5, objects=frozenset(inside | whole))


def _runs(cache: DvcCache, lock: Path) -> Iterator[tuple[Path | None, dict[str, Any]]]:
    """Yield what each run read and wrote, with the file of the run cache that says so, None for dvc.lock."""
    for path in _files(cache.runs):
        yield path, _read(path)
    if lock.is_file():
        for entry in _read(lock).get("stages", {}).values():
            yield None, entry


def _read(path: Path) -> dict[str, Any]:
    """Return what a YAML file of DVC says, empty where the file is."""
    return YAML(typ="safe").load(path.read_text(encoding="utf-8")) or {}


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
    return [one for _, one in _listed(cache, md5)] if _is_folder(md5) else []


def _listed(cache: DvcCache, folder: str) -> list[tuple[str, str]]:
    """Return path and md5 of every file in a folder, none where the cache does not have its list.

    Raises:
        ValueError: The list is damaged.
    """
    path = _object(cache, folder)
    if not path.is_file():
        return []
    try:
        return [(one["relpath"], one["md5"]) for one in json.loads(path.read_text(encoding="utf-8"))]
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path} is not a list of files as DVC writes it; delete it, and `dvc fetch` it") from error


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _is_folder(md5: str) -> bool:
    return md5.endswith(".dir")


def _object(cache: DvcCache, md5: str) -> Path:
    return cache.objects / md5[:2] / md5[2:]

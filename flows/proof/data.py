"""Find files and folders by the md5 under which DVC knows them, and check every byte on the way.

A folder's md5 ends in `.dir`. It is the md5 of a list of its files with their own md5.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from flows.dvc_objects import DvcCache

IGNORED = ("__pycache__", ".venv", ".cache", ".prefect", "mlartifacts")  # as in .dvcignore
IGNORED_SUFFIX = ".partial"
FOLDER = ".dir"


@dataclass(frozen=True)
class Found:
    """Where the bytes with a hash are.

    Attributes:
        files: The place of each file, by its path relative to the folder. A single file has the path "".
        where: "workspace" or "DVC's cache".
    """

    files: dict[str, Path]
    where: str


@dataclass(frozen=True)
class Missing:
    """Why the bytes with a hash are not to be had, and whether that is because somebody changed them."""

    reason: str
    is_changed: bool


class DataFinder:
    """Looks for data in a workspace and in DVC's cache, and reads every file at most once.

    Args:
        root: The project's root.
        cache: DVC's cache, None where there is none.
        fetch: Gets the data with a path and md5 into the cache, and returns why it could not, "" if it did. None for
            what is at hand only.
    """

    def __init__(self, root: Path, cache: DvcCache | None, *, fetch: Callable[[str, str], str] | None = None) -> None:
        self._root, self._cache, self._fetch = root, cache, fetch
        self._hashes: dict[Path, str] = {}

    def find(self, path: str, md5: str, *, is_current: bool) -> Found | Missing:
        """Return where the bytes of an output or input are.

        Args:
            path: POSIX path in the project.
            md5: What DVC recorded.
            is_current: Whether dvc.lock says that the workspace holds just these bytes. Then others are a fault.
        """
        place = self._root / path
        # 1. The workspace
        files = list_files(place) if place.exists() else None
        if files is not None:
            hashes = {name: self._md5(file) for name, file in files.items()}
            if hash_tree(hashes, is_folder=md5.endswith(FOLDER)) == md5:
                return Found(files, "workspace")
            if is_current:
                return Missing(f"{path} was changed after the stage: {self.why_different(place, md5)}", True)
        # 2. DVC's cache, whose objects are named by their hash, and what it can fetch
        cached = self._find_cached(path, md5)
        if isinstance(cached, Missing) and not cached.is_changed and self._fetch is not None:
            reason = self._fetch(path, md5)
            cached = Missing(reason, False) if reason else self._find_cached(path, md5)
            if isinstance(cached, Missing) and not reason and not cached.is_changed:
                cached = Missing(f"neither DVC's cache nor its remote has {path} (md5 {md5})", False)
        if isinstance(cached, Found) or cached.is_changed or files is None:
            return cached
        return Missing(f"{path} in the workspace is of another run, and {cached.reason}", False)

    def _find_cached(self, path: str, md5: str) -> Found | Missing:
        fetch = f"DVC's cache lacks it; `dvc pull` or `dvc fetch --run-cache` may get {path}"
        place = self._object(md5)
        if place is None:
            return Missing(fetch, False)
        if not md5.endswith(FOLDER):
            if self._md5(place) != md5:
                return Missing(f"{place} in DVC's cache was changed", True)
            return Found({"": place}, "DVC's cache")
        if self._md5(place) + FOLDER != md5:
            return Missing(f"{place} in DVC's cache was changed", True)
        files = {}
        for name, file_md5 in read_tree(place).items():
            file = self._object(file_md5)
            if file is None:
                return Missing(fetch, False)
            if self._md5(file) != file_md5:
                return Missing(f"{path}/{name} in DVC's cache ({file}) was changed", True)
            files[name] = file
        return Found(files, "DVC's cache")

    def why_different(self, place: Path, md5: str) -> str:
        """Return the first file that is not as in a registered folder, as far as DVC's cache has a list of its files.

        Args:
            place: The file or folder as it is now.
            md5: What it should have.
        """
        if not place.exists():
            return "it is missing"
        hashes = {name: self._md5(file) for name, file in list_files(place).items()}
        tree = self._object(md5) if md5.endswith(FOLDER) else None
        if tree is None or self._md5(tree) + FOLDER != md5:
            return "its md5 differs"
        return name_difference(read_tree(tree), hashes)

    def _object(self, md5: str) -> Path | None:
        if self._cache is None:
            return None
        place = self._cache.objects / md5[:2] / md5[2:]
        return place if place.is_file() else None

    def _md5(self, path: Path) -> str:
        if path not in self._hashes:
            with path.open("rb") as file:
                self._hashes[path] = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        return self._hashes[path]


def list_files(place: Path) -> dict[str, Path]:
    """Return the files of a folder by relative POSIX path, without what .dvcignore names. A file is {"": itself}."""
    if place.is_file():
        return {"": place}
    files = {}
    for path in sorted(place.rglob("*")):
        name = path.relative_to(place)
        if path.is_file() and not set(name.parts) & set(IGNORED) and path.suffix != IGNORED_SUFFIX:
            files[name.as_posix()] = path
    return files


def hash_tree(hashes: Mapping[str, str], *, is_folder: bool) -> str:
    """Return the md5 that DVC gives to a file or folder.

    Args:
        hashes: The md5 of each file by its path in the folder, or {"": md5} for a single file.
        is_folder: Whether it is a folder.
    """
    if not is_folder:
        return hashes.get("", "")
    text = json.dumps([{"md5": hashes[name], "relpath": name} for name in sorted(hashes)], sort_keys=True)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() + FOLDER


def read_tree(place: Path) -> dict[str, str]:
    """Return the md5 of each file in one of DVC's lists of a folder, by relative path."""
    return {row["relpath"]: row["md5"] for row in json.loads(place.read_text(encoding="utf-8"))}


def name_difference(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Return the first file that differs, and how many more do."""
    names = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
    if not names:
        return "nothing differs"
    first = names[0]
    state = "is missing" if first not in now else "is new" if first not in before else "differs"
    return f"{first} {state}" + (f", and {len(names) - 1} more" if len(names) > 1 else "")

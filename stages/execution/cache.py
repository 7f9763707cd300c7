"""The results of single recordings and clips, kept by what they were made of.

DVC runs a stage again when anything that the stage reads has changed. This cache lets the stage then compute only the
recordings and clips that have changed. The key of a result is a hash of everything that it depends on: the bytes of the
recording or clip, the settings, and the code (code_identity.py). So an entry is right or absent, never old.

    .cache/results/KEY[:2]/KEY                 the result as JSON, below a line with its hash
    .cache/results/files/SHA256[:2]/SHA256     files that belong to results

Nothing is unpickled, and every entry is checked against its hash when it is read. Files are hard links to a stage's
outputs where the file system allows it, so they take no space as long as the output is there.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from registry.files import file_sha256

RESULTS = Path(".cache/results")
SIZE = "VOX_CACHE_GB"  # environment variable
DEFAULT_GB = 20.0
MAX_DAYS = 90
PARTIAL = ".partial"
ABANDONED_SECONDS = 3600  # a partial file that is older belongs to a process that was killed


class ResultCache:
    """Results in a folder that several processes may use at once, none of which waits for another.

    Every file is written beside its place and moved into it. An entry that is damaged, incomplete or removed meanwhile
    counts as absent.

    Args:
        folder: holds the entries, made when the first is written. None turns the cache off.
        max_bytes: size above which `trim` removes the entries that were not used for longest.
    """

    def __init__(self, folder: Path | None, max_bytes: int = 0) -> None:
        self._folder, self._max_bytes = folder, max_bytes

    @property
    def is_on(self) -> bool:
        """Return whether anything is kept."""
        return self._folder is not None

    def get(self, key: str, into: Path | None = None) -> str | None:
        """Return the JSON of an entry and put its files into a folder, or return None where there is no whole entry.

        Args:
            key: see cached_calls.py.
            into: the folder for the entry's files.
        """
        if self._folder is None:
            return None
        try:
            digest, _, body = self._entry(key).read_text(encoding="utf-8").partition("\n")
            if hashlib.sha256(body.encode()).hexdigest() != digest:
                return None
            entry = json.loads(body)
            for name, sha256 in entry["files"].items():
                self._restore(sha256, _inside(into, name))
        except (OSError, ValueError):
            return None
        _mark_used(self._entry(key))
        return json.dumps(entry["result"])

    def put(self, key: str, result: str, files: Mapping[str, Path]) -> None:
        """Keep a result.

        Args:
            key: see cached_calls.py.
            result: JSON.
            files: the files that belong to it, by their path relative to the output folder.
        """
        if self._folder is None:
            return
        hashes = {}
        for name, path in files.items():
            hashes[name] = file_sha256(path)
            place = self._file(hashes[name])
            if not place.exists():
                _move_in(place, partial(_link_or_copy, path))
        body = json.dumps({"files": hashes, "result": json.loads(result)})
        text = f"{hashlib.sha256(body.encode()).hexdigest()}\n{body}"
        _move_in(self._entry(key), lambda partial_file: partial_file.write_text(text, encoding="utf-8"))

    def trim(self) -> None:
        """Remove what was not used for MAX_DAYS, and then what was not used for longest until the size fits."""
        if self._folder is None:
            return
        found = sorted(_stats(self._folder), key=lambda item: item[1].st_atime_ns)
        excess, now = sum(stat.st_size for _, stat in found) - self._max_bytes, time.time()
        for path, stat in found:
            if path.suffix == PARTIAL:
                is_useless = now - float(path.suffixes[0][1:]) > ABANDONED_SECONDS
            else:
                is_useless = excess > 0 or now - stat.st_atime > MAX_DAYS * 86400
            if is_useless:
                path.unlink(missing_ok=True)
                excess -= stat.st_size

    def _restore(self, sha256: str, target: Path) -> None:
        """Put a file into an output.

        Raises:
            ValueError: the file is damaged. It is then removed.
        """
        place = self._file(sha256)
        if file_sha256(place) != sha256:
            place.unlink(missing_ok=True)
            raise ValueError(f"{place} is damaged")
        target.unlink(missing_ok=True)
        _link_or_copy(place, target)
        _mark_used(place)

    def _entry(self, key: str) -> Path:
        return self._folder / key[:2] / key

    def _file(self, sha256: str) -> Path:
        return self._folder / "files" / sha256[:2] / sha256


NO_CACHE = ResultCache(None)


def open_cache() -> ResultCache:
    """Return the cache of the project in the working folder, as VOX_CACHE_GB sets it: its size in GB, 0 for none.

    Raises:
        ValueError: VOX_CACHE_GB is not a number of at least 0.
    """
    text = os.environ.get(SIZE) or str(DEFAULT_GB)
    try:
        size = float(text)
    except ValueError:
        size = -1.0
    if not 0 <= size < float("inf"):
        raise ValueError(f"{SIZE}={text}: the size of the cache in GB must be a number, 0 for none")
    return ResultCache(RESULTS, round(size * 1e9)) if size else NO_CACHE


def folder_hash(folder: Path) -> str:
    """Return a hash of the files in a folder and of their names: 64 hex digits. A missing folder counts as empty."""
    whole = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        whole.update(f"{file.relative_to(folder).as_posix()} {file_sha256(file)}\n".encode())
    return whole.hexdigest()


def _inside(folder: Path | None, name: str) -> Path:
    if folder is None or not (folder / name).resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{name} is not a file of an output")
    return folder / name


def _move_in(place: Path, write: Callable[[Path], Any]) -> None:
    """Write a file beside its place and move it there."""
    place.parent.mkdir(parents=True, exist_ok=True)
    new = place.with_name(f"{place.name}.{time.time():.0f}.{secrets.token_hex(8)}{PARTIAL}")
    try:
        write(new)
        new.replace(place)
    finally:
        new.unlink(missing_ok=True)


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)


def _mark_used(path: Path) -> None:
    """Set the time of last use. The time of the last change stays, because DVC compares that of the output."""
    try:
        os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))
    except OSError:
        return  # removed meanwhile, or written by another user


def _stats(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            try:
                yield path, path.stat()
            except FileNotFoundError:
                continue

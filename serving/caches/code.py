"""The code that decides how a text sounds, as one hash.

It is a part of every key, so that sound of an older code is never replayed under a verdict of a newer one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from pathlib import Path

from gpt_sovits.lanes import LANE_OPTIONS, lane_sha256

PACKAGES = Path(__file__).resolve().parent.parent.parent
FOLDERS = ("gpt_sovits", "serving/engine")
LIBRARIES = ("torch", "numpy", "numba")  # whose sums may be rounded differently in another version


@cache
def sound_code() -> str:
    """Return the hash of the code of this process. It is computed once."""
    lanes = (lane_sha256(lane) for lane in sorted(LANE_OPTIONS))
    libraries = (f"{name} {version(name)}" for name in LIBRARIES)
    return hashlib.sha256("\n".join([hash_sources(PACKAGES, FOLDERS), *lanes, *libraries]).encode()).hexdigest()


def hash_sources(root: Path, folders: Iterable[str]) -> str:
    """Return the hash of every file below some folders, with its path.

    Args:
        root: Where the folders are.
        folders: Paths below it. Compiled files do not count.
    """
    found = hashlib.sha256()
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                content = hashlib.sha256(path.read_bytes()).hexdigest()
                found.update(f"{path.relative_to(root).as_posix()} {content}\n".encode())
    return found.hexdigest()

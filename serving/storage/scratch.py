"""Temporary files, and the error of a full disk."""

from __future__ import annotations

import errno
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from serving.errors import StorageFullError

LEFT_SECONDS = 86_400.0  # after which a file is that of a killed process
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def temporary_file(folder: Path) -> Iterator[Path]:
    """Give the path of a new file in a folder, which is made where it is missing. It is deleted at the end.

    Raises:
        StorageFullError: The disk is full.
    """
    with full_disk_explained():
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        _delete_left(folder)
        path = folder / secrets.token_hex(16)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)


def _delete_left(folder: Path) -> None:
    """Delete what processes have left that were killed."""
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # its owner has just deleted it
            if time.time() - path.stat().st_mtime > LEFT_SECONDS:
                path.unlink()


@contextmanager
def full_disk_explained() -> Iterator[None]:
    """Turn the error of a full disk into the documented one.

    Raises:
        StorageFullError: The disk is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise StorageFullError("the disk of the results is full", retry_after=60) from error
        raise

"""A folder of files by their sha256. A file appears whole or not at all, and the same bytes are kept once.

A file is put before the row that names it, so a row never names a missing file. What is put in the moment in which
another job deletes the same bytes is found missing by `holds`, and put again.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from serving.errors import StorageFullError

HEX_DIGITS = 64
CHUNK_BYTES = 1 << 20
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class ResultStore:
    """Keeps files in a folder, which several nodes may share."""

    def __init__(self, folder: Path) -> None:
        """Prepare a folder. It is made at the first use."""
        self.folder = folder

    def path(self, sha256: str) -> Path:
        """Return where the file with a hash is, or would be."""
        assert len(sha256) == HEX_DIGITS and set(sha256) <= set("0123456789abcdef")
        return self.folder / sha256[:2] / sha256[2:]

    def holds(self, sha256: str) -> bool:
        """Return whether the file is there."""
        return self.path(sha256).is_file()

    @contextmanager
    def new_file(self) -> Iterator[Path]:
        """Give the path of a temporary file in the same file system. What is left of it is deleted at the end.

        Raises:
            StorageFullError: The disk is full.
        """
        with full_disk_explained():
            folder = self.folder / "unfinished"
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / secrets.token_hex(16)
            try:
                yield path
            finally:
                path.unlink(missing_ok=True)

    def put(self, file: Path) -> tuple[str, int]:
        """Keep a file under its hash if it is not there yet. Return its hash and its size in bytes."""
        with file.open("rb") as opened:
            sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
            os.fsync(opened.fileno())
        target = self.path(sha256)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(file, target)
        except FileExistsError:
            pass
        except OSError as error:  # a file system without links; a rename is as atomic
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK):
                raise
            file.rename(target)
        handle = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        return sha256, target.stat().st_size

    def remove(self, sha256: str, is_needed: Callable[[], bool]) -> None:
        """Delete a file unless a job names it. It is looked up after the file was moved away, and then put back.

        Args:
            sha256: Of the file.
            is_needed: Returns whether a job names it.
        """
        target = self.path(sha256)
        aside = target.with_name(f"{target.name}.{secrets.token_hex(4)}")
        try:
            target.rename(aside)
        except FileNotFoundError:
            return
        keep = True  # also where that cannot be told now
        try:
            keep = is_needed()
        finally:
            if keep:
                with suppress(FileExistsError):
                    os.link(aside, target)
            aside.unlink()


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

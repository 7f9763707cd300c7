"""Rows on disk until the database has them: one file per process, a row per line.

A process holds a lock on its file while it lives. So another one can tell which was left behind, and takes it over.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LOG = logging.getLogger(__name__)
Row = dict[str, Any]


class Spool:
    """The file of this process. Only one thread uses it.

    Invariant: a row that `append` has returned for is in the file until `clear` was called.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """Make the file and lock it.

        Args:
            folder: Where the files of all processes are.
            max_bytes: Largest size of the file.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder, self._max_bytes = folder, max_bytes
        self.path = folder / f"{secrets.token_hex(8)}.jsonl"
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.n_bytes = 0

    def append(self, rows: list[Row]) -> int:
        """Write rows that still fit and return how many.

        Raises:
            OSError: The disk is full, or the file cannot be written.
        """
        lines: list[bytes] = []
        n_bytes = self.n_bytes
        for row in rows:
            line = json.dumps(row, ensure_ascii=True).encode() + b"\n"
            if n_bytes + len(line) > self._max_bytes:
                break
            lines.append(line)
            n_bytes += len(line)
        data = b"".join(lines)
        try:
            written = os.write(self._file, data) if data else 0
        except OSError:
            os.ftruncate(self._file, self.n_bytes)
            raise
        if written < len(data):  # the disk became full within the rows: none of them counts
            os.ftruncate(self._file, self.n_bytes)
            raise OSError(28, "the disk is full")
        self.n_bytes = n_bytes
        return len(lines)

    def read(self) -> list[Row]:
        """Return all rows of the file."""
        return list(_rows_of(self.path))

    def clear(self) -> None:
        """Forget all rows."""
        if self.n_bytes:
            os.ftruncate(self._file, 0)
            self.n_bytes = 0

    def adopt(self) -> Iterator[list[Row]]:
        """Give the rows of each file that a dead process left. It is deleted when the next one is asked for."""
        for path in sorted(self._folder.glob("*.jsonl")):
            if path == self.path:
                continue
            try:
                file = os.open(path, os.O_RDWR)
            except FileNotFoundError:
                continue
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield list(_rows_of(path))
                path.unlink(missing_ok=True)
            except BlockingIOError:
                continue  # its process lives
            finally:
                os.close(file)

    def close(self) -> None:
        """Give the file up. It is deleted if all its rows are in the database."""
        if not self.n_bytes:
            self.path.unlink(missing_ok=True)
        os.close(self._file)


def _rows_of(path: Path) -> Iterator[Row]:
    for line in path.read_bytes().splitlines(keepends=True):
        if not line.endswith(b"\n"):
            return  # the process was killed within the line
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if isinstance(row, dict):
            yield row
        else:  # a power cut, or a disk that fails
            LOG.error("a row in %s is damaged, so the audit lacks it", path.name)

"""The files of jobs in the store of finished speech.

A file is put before the row that names it, so a row never names a missing file. What is put in the moment in which
another job deletes the same bytes is found missing by `holds`, and put again.
"""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager
from pathlib import Path

from serving.encoding import MEDIA_TYPES, Format
from serving.storage.keys import key_of
from serving.storage.objects import ObjectStore


class ResultStore:
    """Keeps the files of jobs by their sha256."""

    def __init__(self, objects: ObjectStore) -> None:
        """Take the store."""
        self.objects = objects

    def new_file(self) -> AbstractContextManager[Path]:
        """Give the path of a temporary file that `put` takes.

        Raises:
            StorageFullError: The disk is full.
        """
        return self.objects.new_file()

    def put(self, file: Path, form: Format) -> tuple[str, int]:
        """Keep a file unless it is there. Return its hash and its size in bytes.

        Args:
            file: The speech.
            form: Its format.
        """
        with file.open("rb") as opened:
            sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
        return sha256, self.objects.put_if_absent(file, sha256=sha256, content_type=MEDIA_TYPES[form]).n_bytes

    def holds(self, sha256: str) -> bool:
        """Return whether the file is there."""
        return self.objects.holds(key_of(sha256))

    def delete(self, sha256: str) -> None:
        """Delete the file, if it is there."""
        self.objects.delete(key_of(sha256))

"""The files of jobs in the store of finished speech.

A row notes a file before it is put, and names it after. So a row never names a missing file, nobody deletes the bytes
that another job is about to have, and a kill leaves no file that no row knows (files.py).
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

    def hash(self, file: Path) -> str:
        """Return the sha256 of a file in hex."""
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()

    def put(self, file: Path, sha256: str, form: Format) -> int:
        """Keep a file unless it is there. Return its size in bytes.

        Args:
            file: The speech.
            sha256: Of it.
            form: Its format.
        """
        return self.objects.put_if_absent(file, sha256=sha256, content_type=MEDIA_TYPES[form]).n_bytes

    def delete(self, sha256: str) -> None:
        """Delete the file, if it is there."""
        self.objects.delete(key_of(sha256))

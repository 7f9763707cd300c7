"""A folder of files by their sha256, which several nodes may share."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from serving.errors import GoneError
from serving.storage.keys import StoredObject, key_of, sha256_of_key
from serving.storage.scratch import full_disk_explained, temporary_file
from serving.storage.signing import UrlSigner

CHUNK_BYTES = 1 << 18


class FolderStore:
    """Keeps files in a folder. See objects.ObjectStore.

    Attributes:
        signer: Makes and checks the signatures of addresses. Nodes that share the folder share its secret.
    """

    def __init__(self, folder: Path) -> None:
        """Prepare a folder. It is made at the first use."""
        self.folder = folder
        self.signer = UrlSigner(folder / "url_secret")

    def new_file(self) -> AbstractContextManager[Path]:
        """Give the path of a temporary file in the same file system."""
        return temporary_file(self.folder / "unfinished")

    def put_if_absent(
        self, file: Path, *, sha256: str, content_type: str, prefix: str = "", suffix: str = ""
    ) -> StoredObject:
        """Keep a file, unless it is there. It and its name are on the disk afterwards. See ObjectStore."""
        key, n_bytes = key_of(sha256, prefix=prefix, suffix=suffix), file.stat().st_size
        target = self.folder / key
        with full_disk_explained():
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with file.open("rb") as opened:
                os.fsync(opened.fileno())
            is_new = _link(file, target)
            handle = os.open(target.parent, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        return StoredObject(key, n_bytes, is_new)

    def size(self, key: str) -> int | None:
        """Return the bytes of a file, None where it is not there."""
        try:
            return self._path(key).stat().st_size
        except FileNotFoundError:
            return None

    def holds(self, key: str) -> bool:
        """Return whether a file is there."""
        return self.size(key) is not None

    def open(self, key: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the bytes of a file. See ObjectStore."""
        try:
            file = self._path(key).open("rb")
        except FileNotFoundError as error:
            raise GoneError("the file with the speech was deleted") from error
        with file:
            file.seek(start)
            left = (end if end is not None else os.fstat(file.fileno()).st_size) - start
            while left > 0 and (chunk := file.read(min(CHUNK_BYTES, left))):
                left -= len(chunk)
                yield chunk

    def delete(self, key: str) -> None:
        """Delete a file, if it is there."""
        self._path(key).unlink(missing_ok=True)

    def signed_url(self, key: str, *, seconds: int) -> str:
        """Return a path of this service that anybody can read a file at for some time. See ObjectStore."""
        sha256_of_key(key)
        return f"/v1/objects/{key}?{self.signer.sign(key, seconds=seconds)}"

    def _path(self, key: str) -> Path:
        sha256_of_key(key)
        return self.folder / key


def _link(file: Path, target: Path) -> bool:
    """Give a file a second name, or move it where links are not possible. Return False where the name is taken."""
    try:
        os.link(file, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK):
            raise
        if target.exists():
            return False
        file.rename(target)  # as atomic, and the same bytes replace the same bytes where two nodes do it
    return True

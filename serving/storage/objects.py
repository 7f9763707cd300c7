"""What a store of files does, and how one is opened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from serving.storage.bucket import BucketStore
from serving.storage.folder import FolderStore
from serving.storage.keys import StoredObject


class ObjectStore(Protocol):
    """Keeps files by their sha256. Every method may be called by several threads and nodes at once.

    Invariant: a file appears whole or not at all, and is never changed. The same bytes are kept once per prefix and
    suffix.
    """

    def new_file(self) -> AbstractContextManager[Path]:
        """Give the path of a temporary file that `put_if_absent` takes. It is deleted at the end."""
        ...

    def put_if_absent(
        self, file: Path, *, sha256: str, content_type: str, prefix: str = "", suffix: str = ""
    ) -> StoredObject:
        """Keep a file of this machine, unless the store has it already.

        Args:
            file: It stays where it is.
            sha256: Of its bytes, in hex.
            content_type: Its media type.
            prefix: Names before the hash in its key, separated by slashes.
            suffix: Of its key, such as .wav.

        Raises:
            ValueError: It is not a valid key.
            StorageFullError: There is no space for it.
            StorageUnreachableError: The store cannot be used now.
        """
        ...

    def size(self, key: str) -> int | None:
        """Return the bytes of a file, None where the store does not have it."""
        ...

    def holds(self, key: str) -> bool:
        """Return whether the store has a file."""
        ...

    def open(self, key: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the bytes of a file.

        Args:
            key: Of the file.
            start: The first byte.
            end: The byte after the last, None for the end of the file.

        Raises:
            GoneError: The store does not have it.
            StorageUnreachableError: The store cannot be used now.
        """
        ...

    def delete(self, key: str) -> None:
        """Delete a file, if it is there."""
        ...

    def signed_url(self, key: str, *, seconds: int) -> str:
        """Return an address that anybody can read a file at for some time.

        It is absolute for a bucket, and a path of this service for a folder. It keeps working until then, so to end it
        earlier the file must be deleted.

        Args:
            key: Of the file.
            seconds: At least 1, at most 604,800.
        """
        ...


def open_object_store(url: str, *, root: Path, public_endpoint: str = "") -> ObjectStore:
    """Return the store that a setting names.

    Args:
        url: `folder:PATH`, below the project where it is relative, or `s3://BUCKET` with an optional `/PREFIX`. The
            credentials, the region and the address of the S3 server come from the variables that AWS's tools read.
        root: The project's folder.
        public_endpoint: How clients reach the S3 server, where that differs from how this process does.

    Raises:
        ValueError: The setting names neither.
    """
    kind, _, place = url.partition(":")
    if kind == "folder" and place:
        return FolderStore(root / place)
    bucket, _, prefix = place.removeprefix("//").partition("/")
    if kind == "s3" and place.startswith("//") and bucket:
        scratch = root / ".vox/unfinished"
        return BucketStore(bucket, prefix.strip("/"), scratch=scratch, public_endpoint=public_endpoint)
    raise ValueError(f"serve.storage.url is {url!r}; write folder:PATH, such as folder:.vox/results, or s3://BUCKET")

"""A bucket of an S3 server, by obstore. Every node reaches the same files."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError
from obstore.store import S3Store

from serving.errors import GoneError, StorageUnreachableError
from serving.storage.keys import StoredObject, key_of, sha256_of_key
from serving.storage.scratch import temporary_file
from serving.storage.signing import MAX_SECONDS

LOG = logging.getLogger(__name__)
CHUNK_BYTES = 1 << 18
MAX_SINGLE_BYTES = 32_000_000  # a longer file is sent in parts, so that it is never in memory as a whole
CACHE_CONTROL = "private, max-age=31536000, immutable"
RETRIES = {"max_retries": 3, "retry_timeout": timedelta(seconds=20)}
CONNECT = timedelta(seconds=3)
TRANSFER, QUESTION = timedelta(minutes=10), timedelta(seconds=20)  # for a file, and for an answer without one


class BucketStore:
    """Keeps files in a bucket. See objects.ObjectStore.

    Attributes:
        shown: The bucket and the prefix, for messages.
    """

    def __init__(self, bucket: str, prefix: str, *, scratch: Path, public_endpoint: str = "") -> None:
        """Prepare. Nothing is asked of the server yet.

        Args:
            bucket: Its name.
            prefix: Before every key, without a slash at its ends.
            scratch: Folder of this machine for temporary files.
            public_endpoint: How clients reach the server, empty where as this process does.
        """
        self.shown, self._scratch = f"s3://{bucket}" + (f"/{prefix}" if prefix else ""), scratch
        endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
        self._store = _open(bucket, prefix, endpoint, timeout=TRANSFER)
        self._questions = _open(bucket, prefix, endpoint, timeout=QUESTION)
        self._public = _open(bucket, prefix, public_endpoint or endpoint, timeout=QUESTION)

    def new_file(self) -> AbstractContextManager[Path]:
        """Give the path of a temporary file of this machine."""
        return temporary_file(self._scratch)

    def put_if_absent(
        self, file: Path, *, sha256: str, content_type: str, prefix: str = "", suffix: str = ""
    ) -> StoredObject:
        """Keep a file, unless the bucket has it. See ObjectStore."""
        key, n_bytes = key_of(sha256, prefix=prefix, suffix=suffix), file.stat().st_size
        attributes = {"Content-Type": content_type, "Cache-Control": CACHE_CONTROL}
        with self._explained():
            if n_bytes > MAX_SINGLE_BYTES:  # parts cannot be conditional, but the same bytes do no harm twice
                is_new = not self.holds(key)
                if is_new:
                    obstore.put(self._store, key, file, attributes=attributes)
                return StoredObject(key, n_bytes, is_new)
            try:
                obstore.put(self._store, key, file, attributes=attributes, mode="create")
            except AlreadyExistsError:
                return StoredObject(key, n_bytes, is_new=False)
        return StoredObject(key, n_bytes, is_new=True)

    def size(self, key: str) -> int | None:
        """Return the bytes of a file, None where the bucket does not have it."""
        sha256_of_key(key)
        with self._explained():
            try:
                return obstore.head(self._questions, key)["size"]
            except (NotFoundError, FileNotFoundError):
                return None

    def holds(self, key: str) -> bool:
        """Return whether the bucket has a file."""
        return self.size(key) is not None

    def open(self, key: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the bytes of a file. See ObjectStore."""
        sha256_of_key(key)
        if end is not None and end <= start:
            return
        options: dict[str, Any] = {}
        if start or end is not None:
            options = {"range": (start, end) if end is not None else {"offset": start}}
        with self._explained():
            try:
                found = obstore.get(self._store, key, options=options)
            except (NotFoundError, FileNotFoundError) as error:
                raise GoneError("the file with the speech was deleted") from error
            for chunk in found.stream(min_chunk_size=CHUNK_BYTES):
                yield bytes(chunk)

    def delete(self, key: str) -> None:
        """Delete a file, if it is there."""
        sha256_of_key(key)
        with self._explained():
            try:
                obstore.delete(self._questions, key)
            except (NotFoundError, FileNotFoundError):
                return

    def signed_url(self, key: str, *, seconds: int) -> str:
        """Return an address of the S3 server that anybody can read a file at for some time. See ObjectStore."""
        sha256_of_key(key)
        if not 1 <= seconds <= MAX_SECONDS:
            raise ValueError(f"an address is to be valid for {seconds} s; it can be 1 to {MAX_SECONDS} s")
        with self._explained():
            return obstore.sign(self._public, "GET", key, timedelta(seconds=seconds))

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except BaseError as error:
            LOG.warning("the store %s cannot be used: %s", self.shown, str(error).strip().partition("\n")[0])
            raise StorageUnreachableError("the store of finished speech cannot be used now", retry_after=5) from None


def _open(bucket: str, prefix: str, endpoint: str, *, timeout: timedelta) -> S3Store:
    named: dict[str, Any] = {"endpoint": endpoint} if endpoint else {}
    client: dict[str, Any] = {
        "connect_timeout": CONNECT,
        "timeout": timeout,
        "allow_http": endpoint.startswith("http://"),
    }
    return S3Store(bucket, prefix=prefix or None, client_options=client, retry_config=RETRIES, **named)

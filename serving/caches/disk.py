"""A folder of entries that the processes of one machine share. The least recently used is deleted first.

An entry appears whole or not at all. One that is damaged counts as missing, and is deleted. Nothing is synchronised to
the disk, because what a power cut takes is spoken again.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from serving.caches.entries import seal, unseal

LOG = logging.getLogger(__name__)
CHECK_SHARE = 1 / 16  # of the room is written by a process before it looks how much there is
KEEP_SHARE = 7 / 8  # of the room is left filled by a look that finds too much, so that several processes stay below it
LEFT_SECONDS = 600.0  # after which the unfinished file of a killed process is deleted
COMPLAINT_SECONDS = 60.0


class DiskCache:
    """Keeps bytes in a folder. See entries.ByteCache.

    Invariant: what two processes keep together stays below the limit, up to the entry that is being written.
    """

    def __init__(self, folder: Path, *, max_bytes: int, keep_seconds: float) -> None:
        """Prepare a folder. It is made at the first use.

        Args:
            folder: Where the entries are.
            max_bytes: How much to keep.
            keep_seconds: What was not asked for so long is deleted.
        """
        self._folder, self._max_bytes, self._keep_seconds = folder, max_bytes, keep_seconds
        self._unseen_bytes = max_bytes  # so that the first entry makes it look
        self._complained = -COMPLAINT_SECONDS
        self._lock = threading.Lock()

    def get(self, key: str) -> bytes | None:
        """Return what was put under a key, None where it is missing or damaged."""
        path = self._path(key)
        try:
            sealed = path.read_bytes()
            content = unseal(key, sealed)
            if content is None:
                LOG.warning("an entry of the cache was damaged, so it is deleted: %s", path.name)
                path.unlink(missing_ok=True)
            else:
                os.utime(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._complain(error)
            return None
        return content

    def put(self, key: str, content: bytes) -> None:
        """Keep bytes, if there is a place for them."""
        path, size = self._path(key), len(content)
        if size > self._max_bytes * CHECK_SHARE:
            return
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            new = path.with_name(f".{secrets.token_hex(8)}")
            try:
                with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                    file.write(seal(key, content))
                new.replace(path)
            finally:
                new.unlink(missing_ok=True)
        except OSError as error:
            self._complain(error)
            return
        with self._lock:
            self._unseen_bytes += size
            is_time = self._unseen_bytes >= self._max_bytes * CHECK_SHARE
            if is_time:
                self._unseen_bytes = 0
        if is_time:
            self._make_room()

    def delete(self, key: str) -> None:
        """Forget a key."""
        with suppress(OSError):
            self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        name = hashlib.sha256(key.encode()).hexdigest()
        return self._folder / name[:2] / name[2:]

    def _make_room(self) -> None:
        """Delete what was not used for longest, unless another process is about it."""
        try:
            with (self._folder / "lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._delete_oldest()
        except BlockingIOError:
            return
        except OSError as error:
            self._complain(error)

    def _delete_oldest(self) -> None:
        now = time.time()
        entries = sorted(self._entries())
        total = sum(size for _, size, _ in entries)
        room = self._max_bytes * KEEP_SHARE if total > self._max_bytes * KEEP_SHARE else self._max_bytes
        for used, size, path in entries:
            is_old = now - used > (LEFT_SECONDS if path.name.startswith(".") else self._keep_seconds)
            if is_old or total > room:
                path.unlink(missing_ok=True)
                total -= size

    def _entries(self) -> Iterator[tuple[float, int, Path]]:
        """Yield when each file was used, its size and its path."""
        for folder in self._folder.iterdir():
            for path in folder.iterdir() if folder.is_dir() else ():
                with suppress(FileNotFoundError):  # deleted meanwhile
                    status = path.stat()
                    yield status.st_mtime, status.st_size, path

    def _complain(self, error: OSError) -> None:
        """Say what is wrong with the folder, but not for every entry."""
        if time.monotonic() - self._complained >= COMPLAINT_SECONDS:
            self._complained = time.monotonic()
            LOG.warning("the cache in %s cannot be used: %s", self._folder, error.strerror)

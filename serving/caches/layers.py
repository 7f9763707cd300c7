"""Memory first, then what lasts longer. What is found below is kept above."""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from serving.caches.disk import DiskCache
from serving.caches.entries import ByteCache
from serving.caches.memory import MemoryCache
from serving.caches.remote import RedisCache
from serving.settings import CacheSettings

FOLDER = Path(".vox/cache")
SETTING = "VOXFOUNDRY_REDIS_URI"
MAX_WAITING_BYTES = 32_000_000  # of entries that wait to be written. Beyond it they are not kept
LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class CachePlace:
    """Where a process keeps what was spoken. It passes to a worker as JSON, without the password of Redis.

    Attributes:
        memory_bytes: In the memory of the process.
        disk_bytes: In the folder, which other processes share.
        keep_seconds: What was not asked for so long is forgotten.
        folder: The folder.
    """

    memory_bytes: int
    disk_bytes: int
    keep_seconds: float
    folder: str

    @classmethod
    def of(cls, settings: CacheSettings, root: Path) -> CachePlace:
        """Return the place that the settings of a project name."""
        return cls(
            memory_bytes=settings.memory_megabytes * 1_000_000,
            disk_bytes=settings.disk_megabytes * 1_000_000,
            keep_seconds=settings.keep_days * 86_400,
            folder=str(root / FOLDER),
        )

    def fields(self) -> dict[str, int | float | str]:
        """Return what JSON can hold."""
        return asdict(self)


class LayeredCache:
    """Keeps bytes in memory, and in a slower place. See entries.ByteCache.

    Writing to the slower place is done by a thread, so nobody waits for it.

    Attributes:
        memory: What is found first.
    """

    def __init__(self, memory: MemoryCache, below: ByteCache | None) -> None:
        """Take the layers.

        Args:
            memory: Of this process.
            below: The slower place, None where there is none.
        """
        self.memory, self._below = memory, below
        self._waiting: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self._n_waiting, self._lock = 0, threading.Lock()
        if below is not None:
            threading.Thread(target=self._write, name="write-cache", daemon=True).start()

    def get(self, key: str, *, only_memory: bool = False) -> bytes | None:
        """Return what was put under a key, None where it is not known.

        Args:
            key: Of the entry.
            only_memory: Do not ask the slower place.
        """
        content = self.memory.get(key)
        if content is None and self._below is not None and not only_memory:
            content = self._below.get(key)
            if content is not None:
                self.memory.put(key, content)
        return content

    def put(self, key: str, content: bytes) -> None:
        """Keep bytes in memory now, and below soon."""
        self.memory.put(key, content)
        if self._below is None:
            return
        with self._lock:
            if self._n_waiting + len(content) > MAX_WAITING_BYTES:
                return
            self._n_waiting += len(content)
        self._waiting.put((key, content))

    def delete(self, key: str) -> None:
        """Forget a key in all layers."""
        self.memory.delete(key)
        if self._below is not None:
            self._below.delete(key)

    def wait(self) -> None:
        """Wait until everything that was put is below."""
        self._waiting.join()

    def _write(self) -> None:
        assert self._below is not None
        while True:
            key, content = self._waiting.get()
            try:
                self._below.put(key, content)
            except Exception:  # or nothing would be kept any more
                LOG.exception("an entry of the cache could not be written")
            finally:
                with self._lock:
                    self._n_waiting -= len(content)
                self._waiting.task_done()


def open_cache(place: CachePlace, environ: Mapping[str, str] = os.environ) -> LayeredCache | None:
    """Return the cache of this process, None where nothing is to be kept.

    Args:
        place: Where it is.
        environ: VOXFOUNDRY_REDIS_URI names a Redis server that takes the place of the folder.

    Raises:
        ValueError: The variable is not the address of a Redis server.
    """
    uri = environ.get(SETTING, "").strip()
    below: ByteCache | None = None
    if uri:
        try:
            below = RedisCache(uri, keep_seconds=place.keep_seconds)
        except ValueError as error:
            raise ValueError(f"{SETTING} must be like redis://:PASSWORD@HOST:6379/0, but {error}") from None
    elif place.disk_bytes:
        below = DiskCache(Path(place.folder), max_bytes=place.disk_bytes, keep_seconds=place.keep_seconds)
    if not place.memory_bytes and below is None:
        return None
    return LayeredCache(MemoryCache(place.memory_bytes), below)

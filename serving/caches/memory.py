"""The memory of one process. The least recently used is forgotten first."""

from __future__ import annotations

import threading
from collections import OrderedDict

MAX_SHARE = 0.25  # of the memory that one entry may take


class MemoryCache:
    """Keeps bytes in memory. See entries.ByteCache.

    Invariant: `n_bytes` is at most the limit.

    Attributes:
        n_bytes: What is kept.
    """

    def __init__(self, max_bytes: int) -> None:
        """Begin with nothing.

        Args:
            max_bytes: How much to keep, 0 for nothing.
        """
        self._max_bytes, self.n_bytes = max_bytes, 0
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> bytes | None:
        """Return what was put under a key, None where it was forgotten."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: str, content: bytes) -> None:
        """Keep bytes, unless they would take too large a share."""
        if len(content) > MAX_SHARE * self._max_bytes:
            return
        with self._lock:
            self._forget(key)
            self._kept[key] = content
            self.n_bytes += len(content)
            while self.n_bytes > self._max_bytes:
                self._forget(next(iter(self._kept)))

    def delete(self, key: str) -> None:
        """Forget a key."""
        with self._lock:
            self._forget(key)

    def _forget(self, key: str) -> None:
        self.n_bytes -= len(self._kept.pop(key, b""))

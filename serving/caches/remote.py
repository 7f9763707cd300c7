"""A Redis server that several nodes share. How much it keeps is its own setting: `maxmemory` with `allkeys-lru`."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar, cast

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from registry.storage.store import without_password
from serving.caches.entries import seal, unseal

T = TypeVar("T")
LOG = logging.getLogger(__name__)
TIMEOUT = 0.03  # seconds: whoever waits for it makes no sound meanwhile
WRITE_TIMEOUT = 2.0  # for a whole entry, for which no request waits. 16 MB take 0.13 s at 1 Gbit/s
AWAY_SECONDS = 10.0  # in which a server that did not answer is not asked again
MAX_BYTES = 16_000_000  # of an entry


class RedisCache:
    """Keeps bytes in a Redis server. See entries.ByteCache.

    Invariant: a server that does not answer costs one timeout in AWAY_SECONDS, and counts as one that knows nothing.
    """

    def __init__(self, uri: str, *, keep_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare. Nothing is connected yet.

        Args:
            uri: Such as redis://:PASSWORD@HOST:6379/0, or rediss:// for TLS.
            keep_seconds: What was not asked for so long is forgotten.
            clock: Returns seconds that only grow.

        Raises:
            ValueError: It is not the address of a Redis server.
        """
        self._server, self._for_writing = (
            redis.Redis.from_url(
                uri, socket_timeout=seconds, socket_connect_timeout=TIMEOUT, retry=Retry(NoBackoff(), 0)
            )
            for seconds in (TIMEOUT, WRITE_TIMEOUT)
        )
        self._shown, self._seconds, self._clock = without_password(uri), max(1, round(keep_seconds)), clock
        self._away_until = 0.0
        self._is_away = False

    def get(self, key: str) -> bytes | None:
        """Return what was put under a key, None where it is missing or damaged, or the server is away."""
        sealed = cast("bytes | None", self._ask(lambda: self._server.getex(_name(key), ex=self._seconds)))
        content = unseal(key, sealed) if sealed is not None else None
        if sealed is not None and content is None:
            LOG.warning("an entry of the cache in %s was damaged, so it is deleted", self._shown)
            self.delete(key)
        return content

    def put(self, key: str, content: bytes) -> None:
        """Keep bytes, if the server takes them."""
        if len(content) <= MAX_BYTES:
            self._ask(lambda: self._for_writing.set(_name(key), seal(key, content), ex=self._seconds))

    def delete(self, key: str) -> None:
        """Forget a key."""
        self._ask(lambda: self._server.delete(_name(key)))

    def _ask(self, question: Callable[[], T]) -> T | None:
        """Return the answer of the server, None where there is none."""
        if self._clock() < self._away_until:
            return None
        try:
            answer = question()
        except (redis.RedisError, OSError) as error:
            self._away_until = self._clock() + AWAY_SECONDS
            if not self._is_away:
                self._is_away = True
                LOG.warning("the cache in %s cannot be used, so speech is made anew: %s", self._shown, _reason(error))
            return None
        if self._is_away:
            self._is_away = False
            LOG.warning("the cache in %s is back", self._shown)
        return answer


def _reason(error: Exception) -> str:
    return f"{type(error).__name__} {' '.join(str(error).split())[:120]}"


def _name(key: str) -> str:
    return f"voxfoundry:{key}"

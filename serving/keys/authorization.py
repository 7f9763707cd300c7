"""From the header Authorization to a caller. Requests are answered from memory, and never wait for the database.

The table is read again every second, so a new key works and a revoked one stops within about a second. While the
database does not answer, the keys that were read last count on, and each still ends at its own time.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType

from serving.database import Database
from serving.errors import DatabaseUnreachableError, KeyScopeError, RateLimitedError, UnauthenticatedError
from serving.keys.bearer import has_hash, parse_key
from serving.keys.store import KeyRow, list_keys, read_stamp
from serving.messages import Lane

LOG = logging.getLogger(__name__)
REFRESH_SECONDS = 1.0


@dataclass(frozen=True)
class Principal:
    """Whoever a valid key belongs to. It is a serving.api.callers.Caller.

    Attributes:
        key: The row of the key, as it was when the request came in.
        find_again: Returns the row as it is now, None where it is gone.
    """

    key: KeyRow
    find_again: Callable[[], KeyRow | None]

    @property
    def name(self) -> str:
        """Return the owner's name, for the audit."""
        return self.key.name

    def sees(self, voice: str) -> bool:
        """Return whether the key covers a voice."""
        return self.key.voices is None or voice in self.key.voices

    def require(self, *, voice: str, lane: Lane, purpose: str | None) -> None:
        """Refuse what the key does not cover.

        Args:
            voice: Name of the voice.
            lane: The lane.
            purpose: What the speech is for, None where nobody said it.

        Raises:
            KeyScopeError: The key does not cover it.
        """
        for param, seen, covered in (
            ("voice", voice, self.key.voices),
            ("lane", lane, self.key.lanes),
            ("purpose", purpose, self.key.purposes),
        ):
            if covered is not None and seen not in covered:
                shown = f"the {param} {seen!r}" if seen is not None else f"a request without a {param}"
                raise KeyScopeError(f"this key does not cover {shown}, only {', '.join(covered)}", param=param)

    def require_valid(self) -> None:
        """Refuse to go on with a request whose key has ended meanwhile.

        Raises:
            UnauthenticatedError: The key was revoked, has expired or is gone.
        """
        _refuse_invalid(self.key.id, self.find_again())


class KeyTable:
    """The keys in memory, as the database had them a moment ago."""

    def __init__(
        self,
        database: Database,
        *,
        refresh_seconds: float = REFRESH_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare an empty table, which lets nobody in.

        Args:
            database: Of serving.
            refresh_seconds: Between two readings.
            clock: For the rates, in seconds.
        """
        self._database, self._seconds, self._clock = database, refresh_seconds, clock
        self._keys: Mapping[str, KeyRow] | None = None
        self._stamp: tuple[object, ...] | None = None
        self._rates: dict[str, Rate] = {}
        self._task: asyncio.Task[None] | None = None
        # Not the threads that everybody shares: those may all wait for a bucket, and a revoked key would count on
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="read-keys")

    async def start(self) -> None:
        """Read the keys, and go on in the background. An outage at the start is waited out there."""
        with suppress(DatabaseUnreachableError):
            await self.refresh()
        self._task = asyncio.create_task(self._follow(), name="follow the keys")

    async def close(self) -> None:
        """Stop reading."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def refresh(self) -> None:
        """Read the keys now, if they have changed.

        Raises:
            DatabaseUnreachableError: The database does not answer.
        """
        loop = asyncio.get_running_loop()
        stamp = await loop.run_in_executor(self._thread, read_stamp, self._database)
        if stamp == self._stamp:
            return
        rows = await loop.run_in_executor(self._thread, list_keys, self._database)
        self._stamp = stamp  # taken before the reading, so that what changes meanwhile is seen at the next look
        self._keys = MappingProxyType({row.id: row for row in rows})
        self._rates = {name: rate for name, rate in self._rates.items() if name in self._keys}

    async def authenticate(self, authorization: str | None) -> Principal:
        """Return the caller of a request, and count the request.

        Args:
            authorization: The header Authorization, None where there is none.

        Raises:
            UnauthenticatedError: There is no key, or it is unknown, expired or revoked.
            RateLimitedError: The key has used up its rate.
            DatabaseUnreachableError: The keys could not be read since the start.
        """
        row = self._find(authorization)
        self._count(row)
        return Principal(row, lambda: (self._keys or {}).get(row.id))

    async def authorize(self, authorization: str | None, voice: str, lane: Lane, purpose: str | None) -> Principal:
        """Return the caller of a request that its key covers.

        Args:
            authorization: The header Authorization.
            voice: Name of the voice.
            lane: The lane.
            purpose: What the speech is for.

        Raises:
            ServingError: As `authenticate` and `Principal.require` raise it: 401, 403, 429 or 503.
        """
        principal = await self.authenticate(authorization)
        principal.require(voice=voice, lane=lane, purpose=purpose)
        return principal

    def _find(self, authorization: str | None) -> KeyRow:
        if self._keys is None:
            raise DatabaseUnreachableError("the keys cannot be read yet", retry_after=2)
        scheme, _, given = (authorization or "").strip().partition(" ")
        if not given:
            raise UnauthenticatedError("there is no key; send the header Authorization: Bearer vf_...")
        key = parse_key(given.strip()) if scheme.lower() == "bearer" else None
        row = self._keys.get(key.id) if key else None
        if key is None or row is None or not has_hash(key.secret, row.secret_sha256):
            raise UnauthenticatedError("the key is not one of this service")
        _refuse_invalid(row.id, row)
        return row

    def _count(self, row: KeyRow) -> None:
        if row.requests_per_minute is None:
            return
        rate = self._rates.get(row.id)
        if rate is None or rate.per_minute != row.requests_per_minute:
            rate = self._rates[row.id] = Rate(row.requests_per_minute, self._clock())
        wait = rate.take(self._clock())
        if wait > 0:
            limit = f"{row.requests_per_minute} requests per minute"
            raise RateLimitedError(f"the key {row.id} may send {limit}", retry_after=wait)

    async def _follow(self) -> None:
        is_away = False
        while True:
            await asyncio.sleep(self._seconds)
            try:
                await self.refresh()
                is_away = False
            except DatabaseUnreachableError:
                if not is_away:
                    LOG.warning("the keys cannot be read, so those that were read last count on")
                is_away = True
            except Exception:  # a key that is revoked must stop whatever happened once
                LOG.exception("the keys could not be read, which is tried again")


class Rate:
    """A bucket of tokens: a minute's requests may come at once, and then one whenever a token is back."""

    def __init__(self, per_minute: int, now: float) -> None:
        """Begin with a full bucket at a moment, in seconds of any clock."""
        self.per_minute, self._tokens, self._seen = per_minute, float(per_minute), now

    def take(self, now: float) -> float:
        """Take a token and return 0, or return the seconds until there is one."""
        per_second = self.per_minute / 60
        self._tokens = min(float(self.per_minute), self._tokens + (now - self._seen) * per_second)
        self._seen = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / per_second


def _refuse_invalid(key_id: str, row: KeyRow | None) -> None:
    reason = row.why_invalid(datetime.now(UTC)) if row is not None else "was deleted"
    if reason is not None:
        raise UnauthenticatedError(f"the key {key_id} {reason}")

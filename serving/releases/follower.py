"""Keeps the snapshots up to date: it looks twice a second, and reads a voice again only when something changed.

One query for the ends of all journals, and the times of the files that a consent consists of. Midnight is a change too,
because a consent ends with its day.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import date

from registry.storage.store import Store
from serving.releases.snapshots import (
    RegistryAwayError,
    Snapshots,
    VoiceSnapshot,
    files_of,
    read_heads,
    read_snapshot,
)
from serving.releases.table import ReleaseTable

LOG = logging.getLogger(__name__)
LATE_SECONDS = 5.0  # a look that takes longer counts as a registry that cannot be reached


class Follower:
    """Follows the journals of a store and writes what they say into a table.

    Invariant: a registry that cannot be read changes nothing in the table. What is loaded is served on.
    """

    def __init__(
        self,
        store: Store,
        table: ReleaseTable,
        *,
        voices: tuple[str, ...] = (),
        seconds: float = 0.5,
        on_change: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Prepare to follow.

        Args:
            store: Where the journals are.
            table: What is served.
            voices: The voices to serve. Empty: every voice that has a journal.
            seconds: Between two looks.
            on_change: Called after the table got new snapshots.
        """
        self.store, self.table, self.seconds, self.on_change = store, table, seconds, on_change
        self._only = frozenset(voices)
        self._seen: dict[str, tuple[object, ...]] = {}
        # One thread, because a look may hang as long as a network does, and two must not overtake each other
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="follow-releases")
        self._task: asyncio.Task[None] | None = None
        self._last_success = time.monotonic()
        self.fault: str | None = None

    @property
    def is_reachable(self) -> bool:
        """Return whether the last look succeeded, not long ago."""
        late = time.monotonic() - self._last_success > LATE_SECONDS + self.seconds
        return self.fault is None and not late

    async def start(self) -> None:
        """Look once, then go on in the background."""
        await self.look()
        self._task = asyncio.create_task(self._follow(), name="follow releases")

    async def close(self) -> None:
        """Stop following."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def look(self) -> bool:
        """Look at the registry once. Return whether the table got new snapshots."""
        loop = asyncio.get_running_loop()
        try:
            found, fault = await loop.run_in_executor(
                self._thread, self._read, self.table.snapshots, self.table.today()
            )
        except RegistryAwayError as error:
            self._note_fault(str(error))
            return False
        self._note_fault(fault)
        self._last_success = time.monotonic()
        if found is None:
            return False
        self.table.set_snapshots(found)
        if self.on_change is not None:
            await self.on_change()
        return True

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self.seconds)
            try:
                await self.look()
            except Exception as error:
                LOG.exception("the releases could not be followed, which is tried again")
                self.fault = f"{type(error).__name__} while the releases were read"

    def _note_fault(self, fault: str | None) -> None:
        if fault is not None and fault != self.fault:
            LOG.warning("the registry cannot be read, so what is loaded is served on: %s", fault)
        self.fault = fault

    def _read(self, known: Snapshots, today: date) -> tuple[Snapshots | None, str | None]:
        """Return the new snapshots, None where nothing changed, and which voices could not be read.

        It runs in the follower's thread.
        """
        heads = read_heads(self.store)
        voices = sorted(self._only or heads)
        if known and not heads:
            raise RegistryAwayError("the database holds no journal any more")
        stamps: dict[str, tuple[object, ...]] = {}
        found: dict[str, VoiceSnapshot] = {}
        away: list[str] = []
        for voice in voices:
            before = known.get(voice)
            # Taken before the reading, so that what changes meanwhile is seen at the next look
            stamp = (heads.get(voice), today, files_of(self.store, voice, before.consent if before else None))
            if before is None or self._seen.get(voice) != stamp:
                try:
                    snapshot = read_snapshot(self.store, voice, today)
                except Exception as error:  # noqa: BLE001 - a revocation of another voice must still count
                    away.append(f"{voice}: {error if isinstance(error, RegistryAwayError) else type(error).__name__}")
                    continue
                is_lasting = snapshot.fault is not None and before is not None and before.fault is not None
                found[voice] = replace(snapshot, is_lasting=is_lasting)
                if snapshot.fault is not None and not is_lasting:
                    continue  # the next look reads it again
            stamps[voice] = stamp
        self._seen = stamps
        snapshots = {voice: found.get(voice) or known[voice] for voice in voices if voice in found or voice in known}
        is_new = bool(found) or snapshots.keys() != known.keys()
        return (snapshots if is_new else None), "; ".join(away) or None

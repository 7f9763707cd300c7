"""A memory of whole requests: the same text with the same seed by the same pair sounds the same, so it is spoken once.

Keys are hashes of everything that decides the sound, and never of the sound. A hit asks the engine first whether the
request may be spoken now, so consent, purpose and release count as for any other.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace

from serving.engine.client import EngineClient
from serving.messages import AudioPiece, Event, Finished, Health, ServedVoice, SpeechRequest, Started

MAX_SHARE = 0.25  # of the memory that one request may take


@dataclass(frozen=True)
class Kept:
    """A request that was spoken to its end.

    Attributes:
        started: Its first event.
        events: Those after it.
        n_bytes: Sound in them.
    """

    started: Started
    events: tuple[Event, ...]
    n_bytes: int


class CachingEngine:
    """An engine that remembers what it has said. The least recently used is forgotten first.

    Attributes:
        n_bytes: Sound that is kept.
    """

    def __init__(self, engine: EngineClient, *, precision: str, max_bytes: int) -> None:
        """Begin with nothing.

        Args:
            engine: Speaks what is not known.
            precision: Of its weights.
            max_bytes: Sound to keep, 0 for none.
        """
        self._engine, self._precision, self._max_bytes = engine, precision, max_bytes
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self.n_bytes = 0

    async def speak(self, request: SpeechRequest) -> AsyncGenerator[Event, None]:
        """Yield the events of a request, from memory where it was spoken before.

        Args:
            request: What to say.

        Raises:
            ServingError: It may not be spoken, or the engine failed.
        """
        served = self._served(request)
        key = self._key(request, served) if served is not None else None
        kept = self._kept.get(key) if key is not None else None
        if kept is not None:
            await self._engine.check(request, candidate_id=kept.started.candidate_id)
            if key in self._kept:
                self._kept.move_to_end(key)
            yield replace(kept.started, is_cached=True)
            for event in kept.events:
                yield event
            return
        events: list[Event] = []
        n_bytes = 0
        async with aclosing(self._engine.speak(request)) as speaking:
            async for event in speaking:
                n_bytes += len(event.pcm) if isinstance(event, AudioPiece) else 0
                if n_bytes <= MAX_SHARE * self._max_bytes:
                    events.append(event)
                yield event
        if served is None or key is None or n_bytes > MAX_SHARE * self._max_bytes:
            return
        started, finished = events[0], events[-1]
        assert isinstance(started, Started) and isinstance(finished, Finished)
        if started.candidate_id == served.candidate_id:  # no promotion came between
            no_work = replace(finished, seconds=dict.fromkeys(finished.seconds, 0.0))
            self._keep(key, Kept(started, (*events[1:-1], no_work), n_bytes))

    async def price(self, request: SpeechRequest) -> float:
        """Return the expected seconds of speech, as the engine does."""
        return await self._engine.price(request)

    async def check(self, request: SpeechRequest, *, candidate_id: str | None = None) -> None:
        """Refuse what the engine would not admit now.

        Args:
            request: How a text is spoken.
            candidate_id: What has spoken it already.

        Raises:
            ServingError: It may not be spoken.
        """
        await self._engine.check(request, candidate_id=candidate_id)

    def voices(self) -> tuple[ServedVoice, ...]:
        """Return what the engine serves."""
        return self._engine.voices()

    def health(self) -> Health:
        """Return the state of the engine."""
        return self._engine.health()

    def _served(self, request: SpeechRequest) -> ServedVoice | None:
        """Return the version that would speak a request now. None where nothing is kept or it is not loaded."""
        for served in self._engine.voices() if self._max_bytes else ():
            is_asked = served.is_champion if request.version is None else served.version == request.version
            if served.voice == request.voice and is_asked:
                return served
        return None

    def _key(self, request: SpeechRequest, served: ServedVoice) -> str:
        """Return the hash of what decides the sound."""
        how = (request.preset, request.language, request.lane, request.seed, request.text, request.words)
        return hashlib.sha256(json.dumps([served.candidate_id, self._precision, *how]).encode()).hexdigest()

    def _keep(self, key: str, spoken: Kept) -> None:
        if key in self._kept:  # two clients asked for it at once
            return
        self._kept[key] = spoken
        self.n_bytes += spoken.n_bytes
        while self.n_bytes > self._max_bytes:
            _, oldest = self._kept.popitem(last=False)
            self.n_bytes -= oldest.n_bytes

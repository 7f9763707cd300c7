"""Whole requests: the same text with the same seed by the same pair sounds the same, so it is spoken once.

Keys are hashes of everything that decides the sound, and never of the sound. A hit asks the engine first whether the
request may be spoken now, so consent, purpose and release count as for any other. Sound is kept before it is encoded.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import asdict, replace
from typing import Any

from gpt_sovits.synthesis.words import read_words
from serving.api.service import Engine
from serving.caches.code import sound_code
from serving.caches.entries import pack, unpack
from serving.caches.layers import LayeredCache
from serving.engine_layer import EngineLayer
from serving.messages import AudioPiece, Event, Finished, SentenceDone, ServedVoice, SpeechRequest, Started

N_THREADS = 4  # that read what is not in memory
MAX_BYTES = 16_000_000  # of the sound of a request that is kept: 4 minutes
NOT_HEARD = ("request_id", "traceparent", "purpose", "version", "voice", "candidate_id")  # the key has what speaks it
KINDS = {"sentence": SentenceDone, "finished": Finished}


class CachingEngine(EngineLayer):
    """An engine that remembers what it has said."""

    def __init__(self, engine: Engine, *, precision: str, cache: LayeredCache | None) -> None:
        """Take the engine.

        Args:
            engine: Speaks what is not known.
            precision: Of its weights, and the kinds of its devices.
            cache: Where requests are kept, None for nowhere.
        """
        super().__init__(engine)
        self._precision, self._cache = precision, cache
        # Not the threads that everybody shares: those may all wait for a database or a bucket that does not answer
        self._threads = ThreadPoolExecutor(N_THREADS, thread_name_prefix="read-cache")
        if cache is not None:
            sound_code()  # reads files, which no request waits for

    async def speak(self, request: SpeechRequest) -> AsyncGenerator[Event, None]:
        """Yield the events of a request, from the cache where it was spoken before.

        Args:
            request: What to say.

        Raises:
            ServingError: It may not be spoken, or the engine failed.
        """
        served = self._served(request)
        key = self._key(request, served) if served is not None else None
        known = await self._recall(key) if key is not None else None
        if served is not None and known is not None:
            started, *others = known
            assert isinstance(started, Started)
            await self._engine.check(request)  # its lane and the voice's own language too
            await self._engine.check(request, candidate_id=started.candidate_id)
            yield replace(started, version=served.version, is_cached=True)  # its number may have changed
            for event in others:
                yield event
            return
        events: list[Event] = []
        n_bytes = 0
        async with aclosing(self._engine.speak(request)) as speaking:
            async for event in speaking:
                n_bytes += len(event.pcm) if isinstance(event, AudioPiece) else 0
                if key is not None and n_bytes <= MAX_BYTES:
                    events.append(event)
                yield event
        if served is None or key is None or self._cache is None or n_bytes > MAX_BYTES:
            return
        started = events[0]
        assert isinstance(started, Started)
        if started.candidate_id == served.candidate_id:  # no promotion came between
            self._cache.put(key, _pack(events))

    async def _recall(self, key: str) -> list[Event] | None:
        """Return the events that were kept, None where there are none that can be read."""
        assert self._cache is not None
        content = self._cache.memory.get(key)
        if content is None:
            content = await asyncio.get_running_loop().run_in_executor(self._threads, self._cache.get, key)
        if content is None:
            return None
        try:
            return _unpack(content)
        except (ValueError, TypeError, KeyError):  # of another version of this code
            self._cache.delete(key)
            return None

    def _served(self, request: SpeechRequest) -> ServedVoice | None:
        """Return the version that would speak a request now. None where nothing is kept or it is not loaded."""
        for served in self._engine.voices() if self._cache is not None else ():
            if served.is_asked_for(request.voice, request.version, request.candidate_id):
                return served
        return None

    def _key(self, request: SpeechRequest, served: ServedVoice) -> str:
        """Return the hash of what decides the sound: every field of the request that does not only name it.

        The verdict decides whether the lane was judged, which the first event says.
        """
        how = {name: value for name, value in asdict(request).items() if name not in NOT_HEARD}
        released = (served.candidate_id, served.verdict_sha256)
        decides = json.dumps([sound_code(), *released, self._precision, how], sort_keys=True)
        return "request/" + hashlib.sha256(decides.encode()).hexdigest()


def _pack(events: list[Event]) -> bytes:
    """Return the events of a request as bytes."""
    started, *others = events
    assert isinstance(started, Started)
    rows: list[Any] = []
    for event in others:
        match event:
            case AudioPiece():
                rows.append(["piece", {"n_bytes": len(event.pcm), "sentence": event.sentence}])
            case SentenceDone():
                rows.append(["sentence", asdict(event)])
            case Finished():
                rows.append(
                    [
                        "finished",
                        {"seconds_of_audio": event.seconds_of_audio, "seconds": dict.fromkeys(event.seconds, 0.0)},
                    ]
                )
    sound = b"".join(event.pcm for event in others if isinstance(event, AudioPiece))
    return pack({"started": asdict(started), "events": rows}, sound)


def _unpack(content: bytes) -> list[Event]:
    """Return the events that `_pack` made bytes of.

    Raises:
        ValueError, TypeError, KeyError: Another version of this code has made them.
    """
    header, sound = unpack(content)
    events: list[Event] = [Started(**header["started"])]
    at = 0
    for kind, fields in header["events"]:
        if kind == "piece":
            end = at + fields["n_bytes"]
            events.append(AudioPiece(sound[at:end], fields["sentence"]))
            at = end
        else:
            words = {"words": read_words(fields["words"])} if kind == "sentence" else {}
            events.append(KINDS[kind](**{**fields, **words}))
    if at != len(sound) or not isinstance(events[-1], Finished):
        raise ValueError("the sound of a request is not whole")
    return events

"""Projects, requests and settings for the tests of serving."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import yaml
from imports import ROOT

from gpt_sovits.synthesis.streaming import stream
from gpt_sovits.synthesis.synthesizer import Synthesizer
from gpt_sovits.synthesis.voice import load_voice
from registry.candidates.candidate import find_candidate, voice_folder_of
from registry.releases.promotion import revoke, rollback
from registry.storage.store import Store
from serving.engine.client import EngineClient
from serving.messages import AudioPiece, Event, SpeechRequest
from serving.settings import ServeSettings, parse_settings

TEXT = "The kettle is on the stove. He said no! Was it three hundred people, or more than that? Two. Take a coat."
LONG_TEXT = " ".join([TEXT] * 5)  # far more than the room for unread sound
T = TypeVar("T")
_numbers = itertools.count(1)


@dataclass
class Project:
    """A project in which tests release and revoke."""

    store: Store

    def recordings(self, voice: str) -> Path:
        return self.store.root / "data/1_recordings" / voice

    def rollback(self, voice: str, to: int | None = None) -> None:
        today = datetime.now(UTC).date()
        moved = rollback(self.store, voice, recordings_dir=self.recordings(voice), to=to, actor="tester", today=today)
        assert moved.changed

    def revoke(self, voice: str) -> None:
        today = datetime.now(UTC).date()
        revoke(self.store, voice, recordings_dir=self.recordings(voice), actor="tester", today=today)

    def folder(self, voice: str, version: int) -> Path:
        return voice_folder_of(self.store, find_candidate(self.store, voice, version))

    def voice(self, voice: str, version: int) -> Synthesizer:
        return _load(self.folder(voice, version))


@cache
def _load(folder: Path) -> Synthesizer:
    return load_voice(folder)


def serve_settings(*, max_unread_bytes: int = 100_000, **changes: object) -> ServeSettings:
    """Return the settings of the repository with a single worker, little room for unread sound, and these changes.

    No sentence is kept, so that the same text is spoken anew each time, unless `cache` changes that section.
    """
    raw = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))["serve"]
    raw["cache"] |= {"memory_megabytes": 0, "disk_megabytes": 0} | changes.pop("cache", {})
    raw["engine"] |= {"devices": ["cpu"], "follow_seconds": 0.2, "n_threads": 1, "stream_share": 100.0}
    raw["engine"] |= {"keep_spares": False} | changes
    raw["limits"] |= {"max_unread_bytes": max_unread_bytes}
    return parse_settings(raw)


class Served:
    """An engine that runs in a thread of its own, so that several tests can use the same one."""

    def __init__(self, project: Project, settings: ServeSettings) -> None:
        self.project = project
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.engine = EngineClient(settings, project.store)

    def __enter__(self) -> Served:
        self.run(self.engine.__aenter__())
        self.run(until_warm(self.engine))
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self.engine.__aexit__(None, None, None))
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def run(self, work: Coroutine[Any, Any, T], seconds: float = 120.0) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(seconds)

    def pids(self) -> list[int]:
        return [slot.worker.pid for slot in self.engine._pool.slots]


def speech_request(text: str = TEXT, **changes: object) -> SpeechRequest:
    fields = {
        "request_id": f"r{next(_numbers)}",
        "text": text,
        "voice": "anna",
        "version": None,
        "preset": "narration",
        "language": None,
        "purpose": None,
        "seed": 0,
        "lane": "realtime",
    }
    return SpeechRequest(**(fields | changes))


async def until(holds: Callable[[], bool], seconds: float = 60.0) -> float:
    """Wait until something holds, and return how long it took."""
    begin = time.monotonic()
    while not holds():
        assert time.monotonic() - begin < seconds, "it never held"
        await asyncio.sleep(0.02)
    return time.monotonic() - begin


async def until_warm(engine: EngineClient, n_pairs: int = 3) -> None:
    """Wait until every worker has every champion and those before them."""
    await until(lambda: len(engine.table.loaded) == n_pairs and len(engine._pool.ready) == len(engine._pool.slots))


async def pieces(events: AsyncIterator[Event], n: int) -> list[Event]:
    """Read events up to the n-th piece of sound. What comes later stays unread."""
    found: list[Event] = []
    while sum(isinstance(event, AudioPiece) for event in found) < n:
        found.append(await anext(events))
    return found


async def speak(engine: EngineClient, request: SpeechRequest) -> list[Event]:
    return [event async for event in engine.speak(request)]


def sound(events: list[Event]) -> np.ndarray:
    """Return the samples of all pieces, int16."""
    return np.frombuffer(b"".join(event.pcm for event in events if isinstance(event, AudioPiece)), "<i2")


def streamed(synthesizer: Synthesizer, text: str, seed: int) -> np.ndarray:
    """Return what the real-time lane must say, computed alone in this process."""
    waveform = np.concatenate([chunk.waveform for chunk in stream(synthesizer, text, seed)])
    return np.rint(waveform * 32767).astype(np.int16)


def said(synthesizer: Synthesizer, text: str, seed: int) -> np.ndarray:
    """Return what the batch lane must say, computed alone in this process."""
    return np.rint(synthesizer.say(text, seed).waveform * 32767).astype(np.int16)

"""A listener of its own: the first *audible* sample, gaps of playback, and the sound itself."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import httpx
import numpy as np

from starter.everyday import everyday_sentences

AUDIBLE = 10 ** (-45 / 20)  # of full scale
SEED = time.time_ns() % 2**31  # of the readings: another one in every run, so that no run meets the cache of one before


@dataclass
class Measured:
    """What one request was like.

    Attributes:
        status: HTTP status.
        answer_seconds: Until the headers came.
        first_seconds: Until the first sound arrived, silent or not, NaN where there is none.
        audible_seconds: Until the first audible sample is heard, NaN where there is none.
        longest_gap: Seconds in which playback had nothing to play, 0 where it never stopped.
        audio_seconds: Length of the speech.
        retry_after: What a refusal promises, seconds.
    """

    status: int
    answer_seconds: float
    first_seconds: float = float("nan")
    audible_seconds: float = float("nan")
    longest_gap: float = 0.0
    audio_seconds: float = 0.0
    retry_after: float | None = None


@dataclass
class Playback:
    """A listener who plays int16 mono sound as it arrives, from its first bytes on."""

    rate: int
    begin: float  # the moment of the request
    first: float | None = None
    started: float | None = None
    n_samples: int = 0
    audible: float | None = None
    longest_gap: float = 0.0
    _rest: bytes = field(default=b"", repr=False)

    def take(self, data: bytes, now: float) -> None:
        """Take bytes that arrived at a moment."""
        data = self._rest + data
        whole = len(data) // 2 * 2
        self._rest, samples = data[whole:], np.frombuffer(data[:whole], "<i2")
        if not len(samples):
            return
        if self.started is None:
            self.first, self.started = now - self.begin, now
        plays_until = self.started + self.n_samples / self.rate
        if now > plays_until:  # everything before is played: the rest is heard that much later
            self.longest_gap = max(self.longest_gap, now - plays_until)
            self.started += now - plays_until
        loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > AUDIBLE * 32768)
        if self.audible is None and len(loud):
            self.audible = self.started + (self.n_samples + int(loud[0])) / self.rate - self.begin
        self.n_samples += len(samples)


async def speak(client: httpx.AsyncClient, voice: str, text: str, lane: str = "realtime") -> Measured:
    """Ask for a text and listen to all of it."""
    begin = time.perf_counter()
    body = {"model": "voxfoundry", "input": text, "voice": voice, "response_format": "pcm", "lane": lane, "seed": SEED}
    async with client.stream("POST", "/v1/audio/speech", json=body) as answer:
        answered = time.perf_counter() - begin
        if answer.status_code != 200:
            await answer.aread()
            after = answer.headers.get("retry-after")
            return Measured(answer.status_code, answered, retry_after=float(after) if after else None)
        playback = Playback(int(answer.headers["x-sample-rate"]), begin)
        async for data in answer.aiter_raw():
            playback.take(data, time.perf_counter())
    return Measured(
        200,
        answered,
        first_seconds=float("nan") if playback.first is None else playback.first,
        audible_seconds=float("nan") if playback.audible is None else playback.audible,
        longest_gap=playback.longest_gap,
        audio_seconds=playback.n_samples / playback.rate,
    )


class Texts:
    """Everyday sentences that no other request has."""

    def __init__(self, seed: int) -> None:
        self._sentences = everyday_sentences(seed)

    def next(self, n_sentences: int = 1) -> str:
        """Return a text of some sentences."""
        return " ".join(next(self._sentences) for _ in range(n_sentences))


@dataclass(frozen=True)
class Heard:
    """What a request was answered with.

    Attributes:
        status: HTTP status.
        version: Of the model that spoke, 0 where none did.
        pcm: The sound, int16 mono. Empty where there is none.
        n_refused: How often it was sent again because the service had no room.
        failure: Why it failed, empty where it did not.
    """

    status: int
    version: int
    pcm: bytes
    n_refused: int = 0
    failure: str = ""


async def hear(client: httpx.AsyncClient, voice: str, text: str, *, lane: str, seed: int, rate: int) -> Heard:
    """Ask for a text until there is room for it, and return all of its sound."""
    body = {"model": "voxfoundry", "input": text, "voice": voice, "response_format": "pcm", "sample_rate": rate}
    n_refused = 0
    while True:
        async with client.stream("POST", "/v1/audio/speech", json=body | {"lane": lane, "seed": seed}) as answer:
            version = int(answer.headers.get("x-voice-version", 0))
            try:
                pcm = await answer.aread()
            except httpx.RemoteProtocolError:
                return Heard(answer.status_code, version, b"", n_refused, "cut off")
            if answer.status_code == 200:
                return Heard(200, version, pcm, n_refused)
            if answer.status_code != 429:
                failure = f"{answer.status_code} {answer.json()['error']['type']}"
                return Heard(answer.status_code, version, b"", n_refused, failure)
        n_refused += 1
        await asyncio.sleep(float(answer.headers.get("retry-after", 1)))


def open_client(address: str) -> httpx.AsyncClient:
    """Return a client with as many connections as are wanted."""
    limits = httpx.Limits(max_connections=None)
    return httpx.AsyncClient(base_url=address, timeout=300, limits=limits, trust_env=False)

"""How soon and how evenly a running `vox serve` sounds, measured by a client of its own.

    python -m benchmarks.serving http://127.0.0.1:8020 VOICE [--only alone together batch overload] [--markdown FILE]

Each request asks for PCM with a text of its own, so that nothing comes from a cache. First audio is the first *audible*
sample (above AUDIBLE): the moment its bytes arrive, or later, if silence is played before it. A gap is a moment at
which playback, begun with the first bytes, has nothing to play.

    alone      one request after another
    together   N_TOGETHER requests at the same moment, round after round
    batch      the same while long texts keep the batch lane busy
    overload   OVERLOAD times the streams that the service takes at once, for --seconds
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np

from starter.everyday import everyday_sentences

AUDIBLE = 10 ** (-45 / 20)  # of full scale
N_TOGETHER = 4
OVERLOAD = 3.0
TEXTS_SEED = 20261129
SEED = time.time_ns() % 2**31  # of the readings: another one in every run, so that no run meets the cache of one before
PARTS = ("alone", "together", "batch", "overload")


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


async def alone(client: httpx.AsyncClient, voice: str, texts: Texts, n: int) -> list[Measured]:
    """Speak n texts one after another."""
    return [await speak(client, voice, texts.next()) for _ in range(n)]


async def together(client: httpx.AsyncClient, voice: str, texts: Texts, n_rounds: int) -> list[Measured]:
    """Speak N_TOGETHER texts at the same moment, n_rounds times."""
    results: list[Measured] = []
    for _ in range(n_rounds):
        results += await asyncio.gather(*(speak(client, voice, texts.next(2)) for _ in range(N_TOGETHER)))
    return results


async def beside_batch(client: httpx.AsyncClient, voice: str, texts: Texts, n_rounds: int) -> list[Measured]:
    """Do the same while two long texts at a time are spoken in the batch lane."""

    async def keep_busy() -> None:
        while True:
            measured = await speak(client, voice, texts.next(12), lane="batch")
            if measured.status != 200:
                await asyncio.sleep(measured.retry_after or 1.0)

    busy = [asyncio.create_task(keep_busy()) for _ in range(2)]
    await asyncio.sleep(2.0)
    try:
        return await together(client, voice, texts, n_rounds)
    finally:
        for task in busy:
            task.cancel()
            with suppress(asyncio.CancelledError, httpx.HTTPError):
                await task


async def overload(
    client: httpx.AsyncClient, voice: str, texts: Texts, seconds: float, per_second: float
) -> list[Measured]:
    """Send OVERLOAD times as many requests per second as the service can speak.

    Args:
        client: Of the service.
        voice: The voice.
        texts: The texts.
        seconds: How long requests are sent.
        per_second: Requests that it can speak in a second.
    """
    tasks, begin = [], time.perf_counter()
    while (now := time.perf_counter() - begin) < seconds:
        tasks.append(asyncio.create_task(speak(client, voice, texts.next(2))))
        await asyncio.sleep(max(0.0, len(tasks) / (OVERLOAD * per_second) - now))
    return list(await asyncio.gather(*tasks))


def summarise(name: str, results: Sequence[Measured]) -> dict[str, str]:
    """Return a row of the table."""
    spoken = [one for one in results if one.status == 200]
    refused = [one for one in results if one.status != 200]
    first, audible = ([1000 * getattr(one, name) for one in spoken] for name in ("first_seconds", "audible_seconds"))
    gaps = [1000 * one.longest_gap for one in spoken]
    return {
        "part": name,
        "requests": str(len(results)),
        "first sound, p50 and p99": _percentiles(first),
        "first audible sample, p50 and p99": _percentiles(audible),
        "streams with a gap": f"{sum(gap > 1 for gap in gaps)} of {len(spoken)}",
        "longest gap": f"{max(gaps, default=0):.0f} ms",
        "refused": ", ".join(
            f"{sum(r.status == s for r in refused)} with {s}" for s in sorted({r.status for r in refused})
        )
        or "0",
        "slowest refusal": f"{1000 * max(one.answer_seconds for one in refused):.0f} ms" if refused else "-",
        "speech": f"{sum(one.audio_seconds for one in spoken):.0f} s",
    }


def _percentiles(values: Sequence[float]) -> str:
    return f"{np.percentile(values, 50):.0f}, {np.percentile(values, 99):.0f} ms" if values else "-"


def as_markdown(rows: Sequence[dict[str, str]], command: str) -> str:
    """Return the page with the table."""
    lines = [
        "# Serving",
        "",
        f"`{command}`",
        "",
        f"{os.cpu_count()} cores, {platform.machine()}, {time.strftime('%Y-%m-%d')}.",
        "",
    ]
    lines += ["| " + " | ".join(rows[0]) + " |", "|---" * len(rows[0]) + "|"]
    lines += ["| " + " | ".join(row.values()) + " |" for row in rows]
    return "\n".join(lines) + "\n"


async def measure(address: str, voice: str, parts: Sequence[str], *, n: int, seconds: float) -> list[dict[str, str]]:
    """Return one row for each part.

    Args:
        address: Of the service.
        voice: A voice that is offered in real time.
        parts: Some of PARTS.
        n: Requests of `alone`, and rounds of the two others.
        seconds: Of `overload`.
    """
    texts, rows = Texts(TEXTS_SEED), []
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=address, timeout=300, limits=limits, trust_env=False) as client:
        await alone(client, voice, texts, 3)  # connections, and what is imported late
        for part in parts:
            begin = time.perf_counter()
            if part == "alone":
                results = await alone(client, voice, texts, n)
            elif part == "together":
                results = await together(client, voice, texts, n)
            elif part == "batch":
                results = await beside_batch(client, voice, texts, n)
            else:
                before = await together(client, voice, texts, 3)
                spent = time.perf_counter() - begin
                results = await overload(client, voice, texts, seconds, len(before) / spent)
            rows.append(summarise(part, results))
            print("  ".join(f"{key}: {value}" for key, value in rows[-1].items()), flush=True)
    return rows


def main() -> None:
    """Measure a running service, and print and write the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__.splitlines()[0])
    parser.add_argument("address", help="of the service, such as http://127.0.0.1:8020")
    parser.add_argument("voice")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--n", type=int, default=50, help="requests one after another, and rounds of the others")
    parser.add_argument("--seconds", type=float, default=60.0, help="of the overload")
    parser.add_argument("--markdown", type=Path, help="also write the table there")
    arguments = parser.parse_args()
    rows = asyncio.run(
        measure(arguments.address, arguments.voice, arguments.only, n=arguments.n, seconds=arguments.seconds)
    )
    if arguments.markdown:
        words = [word for word in sys.argv[1:] if word not in ("--markdown", str(arguments.markdown))]
        command = " ".join(["python -m benchmarks.serving", *words])
        arguments.markdown.write_text(as_markdown(rows, command), encoding="utf-8")


if __name__ == "__main__":
    main()

"""How soon and how evenly a running `vox serve` sounds.

Each request asks for PCM with a text of its own, so that nothing comes from a cache. First audio is the first *audible*
sample (above AUDIBLE): the moment its bytes arrive, or later, if silence is played before it. A gap is a moment at
which playback, begun with the first bytes, has nothing to play.

    alone      one request after another
    together   N_TOGETHER requests at the same moment, round after round
    batch      the same while long texts keep the batch lane busy
    overload   OVERLOAD times the streams that the service takes at once, for --seconds
    retry      one client more than has room, who comes back when his refusal told him to, --n times
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress

import httpx
import numpy as np

from benchmarks.serving.listening import Measured, Texts, open_client, speak

N_TOGETHER = 4
OVERLOAD = 3.0
TEXTS_SEED = 20261129
PARTS = ("alone", "together", "batch", "overload", "retry")


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


async def come_back(client: httpx.AsyncClient, voice: str, texts: Texts, n_rounds: int) -> list[Measured]:
    """Fill the service until it refuses a stream, and ask for that stream again after its Retry-After.

    Returns:
        What each second request was answered with, n_rounds of them.
    """
    results = []
    for _ in range(n_rounds):
        running: list[asyncio.Task[Measured]] = []
        refused: Measured | None = None
        while refused is None:
            task = asyncio.create_task(speak(client, voice, texts.next(3)))
            running.append(task)
            await asyncio.wait([task], timeout=0.1)
            if task.done() and task.result().retry_after is not None:
                refused = task.result()
        await asyncio.sleep(refused.retry_after)
        results.append(await speak(client, voice, texts.next()))
        await asyncio.gather(*running)
    return results


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
    async with open_client(address) as client:
        await alone(client, voice, texts, 3)  # connections, and what is imported late
        for part in parts:
            begin = time.perf_counter()
            if part == "alone":
                results = await alone(client, voice, texts, n)
            elif part == "together":
                results = await together(client, voice, texts, n)
            elif part == "batch":
                results = await beside_batch(client, voice, texts, n)
            elif part == "retry":
                results = await come_back(client, voice, texts, n)
            else:
                before = await together(client, voice, texts, 3)
                spent = time.perf_counter() - begin
                results = await overload(client, voice, texts, seconds, len(before) / spent)
            rows.append(summarise(part, results))
            print("  ".join(f"{key}: {value}" for key, value in rows[-1].items()), flush=True)
    return rows

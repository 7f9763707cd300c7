"""A promotion and a rollback under streams: no stream fails, and each is spoken by one pair."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.serving.listening import Heard, Texts, hear, open_client
from benchmarks.serving.pairs import Pairs, are_equal, samples_of
from benchmarks.serving.service import ROOT, Service
from registry.storage.store import Store, open_store
from serving.releases.snapshots import read_heads

N_STREAMS = 8
VOICE = "anna"
QUIET_SECONDS = 2.0  # between two releases, so that streams of each pair run
LONGEST = 120.0  # a release that is not live by then is a fault


@dataclass(frozen=True)
class Stream:
    """A stream that was spoken."""

    text: str
    seed: int
    heard: Heard


@dataclass(frozen=True)
class Moves:
    """Seconds from the row in the journal until the version was live, by the way it became champion."""

    promoted: list[float]
    rolled_back: list[float]


def row(root: Path, *, n_rounds: int) -> dict[str, str]:
    """Promote version 2 and roll back, under N_STREAMS streams, and return the row. The first promotion is cold.

    Args:
        root: The project.
        n_rounds: Of a promotion and a rollback.
    """
    pairs, store = Pairs(root), open_store(root)
    with Service(root) as service:
        service.wait_ready()
        moves, streams = asyncio.run(_run(service.address, store, n_rounds, pairs.sample_rate))
    whole = [one for one in streams if not one.heard.failure]
    n_mixed = sum(not are_equal(samples_of(one.heard.pcm), _alone(pairs, one)) for one in whole)
    spoken = [one.heard.version for one in whole]
    return {
        "part": "releases",
        "promotions and rollbacks": str(2 * n_rounds),
        "streams at once": str(N_STREAMS),
        "streams": f"{spoken.count(1)} by version 1, {spoken.count(2)} by version 2",
        "failed streams": f"{len(streams) - len(whole)}{_reasons(streams)}",
        "streams of two pairs": str(n_mixed),
        "live after the first promotion": f"{moves.promoted[0]:.2f} s",
        "after a later one": f"at most {max(moves.promoted[1:]):.2f} s" if n_rounds > 1 else "-",
        "after a rollback": f"at most {max(moves.rolled_back):.2f} s",
    }


def _reasons(streams: list[Stream]) -> str:
    counts = Counter(one.heard.failure for one in streams if one.heard.failure)
    return "".join(f", {n} {what}" for what, n in sorted(counts.items()))


def _alone(pairs: Pairs, one: Stream):
    return pairs.say(VOICE, one.heard.version, one.text, seed=one.seed, lane="realtime")


async def _run(address: str, store: Store, n_rounds: int, rate: int) -> tuple[Moves, list[Stream]]:
    streams: list[Stream] = []
    texts, is_over = Texts(9), asyncio.Event()

    async def listen(number: int) -> None:
        async with open_client(address) as client:
            while not is_over.is_set():
                text, seed = texts.next(2), len(streams) + 1000 * number
                streams.append(
                    Stream(text, seed, await hear(client, VOICE, text, lane="realtime", seed=seed, rate=rate))
                )

    listening = [asyncio.create_task(listen(number)) for number in range(N_STREAMS)]
    moves = Moves([], [])
    async with open_client(address) as client:
        for _ in range(n_rounds):
            await asyncio.sleep(QUIET_SECONDS)
            promotion = [sys.executable, "-m", "benchmarks.serving.project", str(store.root), VOICE, "2"]
            moves.promoted.append(await _move(client, store, promotion, 2))
            await asyncio.sleep(QUIET_SECONDS)
            rollback = [sys.executable, "-m", "flows.cli", "rollback", VOICE]
            moves.rolled_back.append(await _move(client, store, rollback, 1))
    await asyncio.sleep(QUIET_SECONDS)
    is_over.set()
    await asyncio.gather(*listening)
    return moves, streams


async def _move(client: httpx.AsyncClient, store: Store, command: list[str], version: int) -> float:
    """Run a release command, and return how long after its row in the journal the version was live.

    Raises:
        RuntimeError: The command failed.
    """
    before = await asyncio.to_thread(read_heads, store)
    process = await asyncio.create_subprocess_exec(
        *command, cwd=store.root, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=asyncio.subprocess.DEVNULL
    )
    written = live = 0.0
    end = time.monotonic() + LONGEST
    while not live and time.monotonic() < end:
        if not written and (await asyncio.to_thread(read_heads, store)) != before:
            written = time.monotonic()
        with suppress(httpx.HTTPError):
            voices = (await client.get("/v1/voices")).json()["data"]
            champions = {voice["voice"]: voice["version"] for voice in voices}
            live = time.monotonic() if champions.get(VOICE) == version else 0.0
        await asyncio.sleep(0.02)
    if await process.wait() or not live:
        raise RuntimeError(
            f"{' '.join(command)} ended with {process.returncode}, version {version} was live: {live > 0}"
        )
    return max(0.0, live - written)

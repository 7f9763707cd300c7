"""Thousands of requests: what the processes of the service hold after the first thousand, and at the end."""

from __future__ import annotations

import asyncio
from pathlib import Path

from benchmarks.serving.listening import Texts, hear, open_client
from benchmarks.serving.project import VOICES
from benchmarks.serving.service import Service, Use

N_CLIENTS = 8
SETTLED = 0.2  # of all requests: by then everything is loaded and every cache is full
LANES = ("realtime", "batch")
RATE = 16_000


def row(root: Path, *, n_requests: int) -> dict[str, str]:
    """Speak requests, and return the row.

    Args:
        root: The project.
        n_requests: In turns for both voices and lanes, one sentence each.
    """
    texts, n_first = Texts(5), round(SETTLED * n_requests)
    with Service(root) as service:
        service.wait_ready()
        n_failed = asyncio.run(_speak(service.address, texts, n_first))
        before = service.use()
        n_failed += asyncio.run(_speak(service.address, texts, n_requests - n_first))
        after = service.use()
    return {
        "part": "memory",
        "requests": str(n_requests),
        "failed": str(n_failed),
        f"memory after {n_first} and at the end": _pairs(before, after, "resident", 1e6, " MB"),
        "at the end of it": f"{after.total / before.total:.3f} of that",
        "open files": _pairs(before, after, "n_files", 1, ""),
    }


def _pairs(before: Use, after: Use, name: str, unit: float, suffix: str) -> str:
    old, new = getattr(before, name), getattr(after, name)
    return ", ".join(f"{who} {old[who] / unit:.0f} and {new[who] / unit:.0f}{suffix}" for who in old if who in new)


async def _speak(address: str, texts: Texts, n: int) -> int:
    """Speak n texts by N_CLIENTS clients, and return how many failed."""
    waiting, n_failed = iter(range(n)), 0

    async def client() -> None:
        nonlocal n_failed
        async with open_client(address) as connection:
            for number in waiting:
                voice, lane = VOICES[number % 2], LANES[number // 2 % 2]
                heard = await hear(connection, voice, texts.next(), lane=lane, seed=number, rate=RATE)
                n_failed += bool(heard.failure)

    await asyncio.gather(*(client() for _ in range(N_CLIENTS)))
    return n_failed

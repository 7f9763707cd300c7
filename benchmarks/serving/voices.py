"""Requests for two voices at once: none is spoken in the wrong voice, and each has the samples that it has alone."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.serving.listening import Heard, Texts, hear, open_client
from benchmarks.serving.pairs import Pairs, are_equal, samples_of
from benchmarks.serving.project import VOICES
from benchmarks.serving.service import Service
from metrics.judges.speaker import cosine, load_speaker_judge

N_CLIENTS = 16
N_LEARNED = 10  # texts that tell what a voice sounds like
LANES = ("realtime", "batch")


@dataclass(frozen=True)
class Wanted:
    """A request of the run."""

    voice: str
    text: str
    lane: str
    seed: int


def row(root: Path, *, n_requests: int) -> dict[str, str]:
    """Speak requests of N_CLIENTS clients, and return the row.

    Args:
        root: The project.
        n_requests: For both voices and lanes together.
    """
    chance, texts, pairs = random.Random(16), Texts(16), Pairs(root)
    wanted = [
        Wanted(chance.choice(VOICES), texts.next(chance.choice((1, 1, 2))), chance.choice(LANES), seed)
        for seed in range(n_requests)
    ]
    with Service(root) as service:
        service.wait_ready()
        heard = asyncio.run(_hear_all(service.address, wanted, pairs.sample_rate))
    judge = load_speaker_judge("ecapa_small")
    centroids = {
        voice: np.mean(
            [judge.embed(_alone(pairs, voice, texts.next(), i), pairs.sample_rate) for i in range(N_LEARNED)], 0
        )
        for voice in VOICES
    }
    n_wrong = n_other = n_unheard = 0
    for one, answer in zip(wanted, heard, strict=True):
        if answer.failure:
            continue
        sound = samples_of(answer.pcm)
        try:
            embedding = judge.embed(sound, pairs.sample_rate)
        except ValueError:  # too short to hear a speaker: the samples decide
            n_unheard += 1
        else:
            n_wrong += max(VOICES, key=lambda voice: cosine(embedding, centroids[voice])) != one.voice
        alone = pairs.say(one.voice, answer.version, one.text, seed=one.seed, lane=one.lane)
        n_other += not are_equal(sound, alone)
    n_failed = sum(bool(answer.failure) for answer in heard)
    return {
        "part": "voices",
        "requests": str(n_requests),
        "clients": str(N_CLIENTS),
        "failed": str(n_failed),
        "nearest to the wrong voice": f"{n_wrong} of {n_requests - n_failed - n_unheard}",
        "other samples than alone": f"{n_other} of {n_requests - n_failed}",
        "sent again after 429": str(sum(answer.n_refused for answer in heard)),
    }


async def _hear_all(address: str, wanted: list[Wanted], rate: int) -> list[Heard]:
    heard: dict[int, Heard] = {}
    waiting = iter(enumerate(wanted))

    async def client() -> None:
        async with open_client(address) as connection:
            for number, one in waiting:
                heard[number] = await hear(connection, one.voice, one.text, lane=one.lane, seed=one.seed, rate=rate)

    await asyncio.gather(*(client() for _ in range(N_CLIENTS)))
    return [heard[number] for number in range(len(wanted))]


def _alone(pairs: Pairs, voice: str, text: str, seed: int) -> np.ndarray:
    return pairs.say(voice, 1, text, seed=seed, lane="batch")

"""What a stream costs until it sounds, in CPU time of one core, so that a machine with other work can tell.

Silence that the lane leaves out is compared with the same text spoken with all of it. The slack is what a listener has
left to play when the next chunk comes, at least, where some streams share a core in turns.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from unittest.mock import patch

import numpy as np

from benchmarks.serving.listening import AUDIBLE, Texts
from benchmarks.serving.pairs import Pairs
from gpt_sovits.lanes import LANE_OPTIONS, REALTIME
from gpt_sovits.synthesis import streaming
from gpt_sovits.synthesis.synthesizer import Synthesizer

SOFT = (
    "He held her hand.",
    "How are you?",
    "Have a seat.",
    "Hello.",
    "Four friends feel fine.",
    "Fifty five.",
    "Funny fish.",
    "Fill the form.",
    "She sells sea shells.",
    "Thin things.",
    "Three thieves.",
    "Vera's voice.",
)
SHARES = (1, 2, 4)  # streams of a core
FRAME_SECONDS = 0.005


def rows(pairs: Pairs, *, n_texts: int) -> Iterator[dict[str, str]]:
    """Yield a row for everyday texts, and one for texts whose first sound is soft.

    Args:
        pairs: Of the project.
        n_texts: Of each kind.
    """
    texts, voice = Texts(7), pairs.pair("anna", 1)
    everyday = [texts.next(2) for _ in range(n_texts)]
    soft = [SOFT[number % len(SOFT)] for number in range(n_texts)]
    _chunks(voice, everyday[0], 0)  # what is computed once
    for name, wanted in (("everyday", everyday), ("soft onset", soft)):
        yield {"part": "work", "texts": f"{n_texts}, {name}", **_row(voice, wanted)}


def _row(voice: Synthesizer, texts: Sequence[str]) -> dict[str, str]:
    rate, firsts, audible, left_out, loudest, timed = voice.sample_rate, [], [], [], [], []
    for seed, text in enumerate(texts):
        chunks = _chunks(voice, text, seed)
        timed.append([(chunk.timings.total, len(chunk.waveform) / rate) for chunk in chunks])
        firsts.append(1000 * timed[-1][0][0])
        audible.append(1000 * np.flatnonzero(np.abs(np.concatenate([c.waveform for c in chunks])) > AUDIBLE)[0] / rate)
        n = next(chunk.report.n_left_out for chunk in chunks if chunk.report)
        left_out.append(1000 * n / rate)
        loudest.append(_loudest_dbfs(_whole(voice, text, seed)[:n], rate))
    return {
        "CPU until the first chunk, p50 and p99": _percentiles(firsts),
        "first audible sample in it": _percentiles(audible),
        "silence left out, median and most": f"{np.median(left_out):.0f}, {max(left_out):.0f} ms",
        "loudest 5 ms of it": f"{max(loudest):.0f} dBFS",
        f"least slack with {', '.join(map(str, SHARES))} streams a core": _least_slack(timed),
    }


def _percentiles(values: Sequence[float]) -> str:
    return f"{np.percentile(values, 50):.0f}, {np.percentile(values, 99):.0f} ms"


def _chunks(voice: Synthesizer, text: str, seed: int) -> list[streaming.AudioChunk]:
    with patch.object(streaming.time, "perf_counter", time.thread_time):
        return list(streaming.stream(voice, text, seed, LANE_OPTIONS[REALTIME]))


def _whole(voice: Synthesizer, text: str, seed: int) -> np.ndarray:
    options = replace(LANE_OPTIONS[REALTIME], kept_silence=None)
    return np.concatenate([chunk.waveform for chunk in streaming.stream(voice, text, seed, options)])


def _loudest_dbfs(sound: np.ndarray, rate: int) -> float:
    size = round(FRAME_SECONDS * rate)
    frames = sound[: len(sound) // size * size].reshape(-1, size)
    return float(10 * np.log10(np.mean(np.square(frames), axis=1).max(initial=0.0) + 1e-12))


def _least_slack(timed: Sequence[Sequence[tuple[float, float]]]) -> str:
    """Return the least slack of all texts for each of SHARES, from (CPU seconds, seconds of sound) of each chunk."""
    least = []
    for share in SHARES:
        slacks = []
        for chunks in timed:
            plays_until = share * chunks[0][0] + chunks[0][1]
            now = share * chunks[0][0]
            for work, seconds in chunks[1:]:
                now += share * work
                slacks.append(plays_until - now)
                plays_until += seconds
        least.append(f"{1000 * min(slacks):.0f}")
    return ", ".join(least) + " ms"

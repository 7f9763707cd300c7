"""What each released pair says alone, in this process: no service, no other request beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from benchmarks.serving.project import PAIRS, VERSIONS
from gpt_sovits.lanes import LANE_OPTIONS, REALTIME
from gpt_sovits.synthesis.streaming import stream
from gpt_sovits.synthesis.synthesizer import Synthesizer
from gpt_sovits.synthesis.voice import load_voice

BOUND = 1e-4  # of full scale: what sums of other batches may be rounded differently
STEP = 1 / 32767  # of int16


class Pairs:
    """The pairs of the project, by voice and version."""

    def __init__(self, root: Path) -> None:
        """Load all pairs of a project."""
        torch.set_num_threads(1)
        self._pairs: dict[tuple[str, int], Synthesizer] = {}
        for number, (voice, *_) in enumerate(VERSIONS):
            version = 1 + sum(name == voice for name, _ in self._pairs)
            self._pairs[voice, version] = load_voice(root / PAIRS / str(number))

    @property
    def sample_rate(self) -> int:
        """Return the samples per second of all voices."""
        return next(iter(self._pairs.values())).sample_rate

    def pair(self, voice: str, version: int) -> Synthesizer:
        """Return a pair."""
        return self._pairs[voice, version]

    def say(self, voice: str, version: int, text: str, *, seed: int, lane: str) -> np.ndarray:
        """Speak a text, (n,) float32."""
        pair = self._pairs[voice, version]
        if lane == REALTIME:
            return np.concatenate([chunk.waveform for chunk in stream(pair, text, seed, LANE_OPTIONS[REALTIME])])
        return pair.say(text, seed).waveform


def samples_of(pcm: bytes) -> np.ndarray:
    """Return int16 sound as float32 in [-1, 1]."""
    return np.frombuffer(pcm, "<i2").astype(np.float32) * np.float32(STEP)


def are_equal(one: np.ndarray, other: np.ndarray) -> bool:
    """Return whether two sounds differ by BOUND at most, besides the rounding to int16."""
    return one.shape == other.shape and float(np.abs(one - other).max(initial=0.0)) <= BOUND + STEP

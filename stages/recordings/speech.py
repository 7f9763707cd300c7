"""Where somebody speaks in a recording, and how loud it is around every possible cut, from one pass over its blocks.

The probabilities are silero-vad's. Its sequence model computes those of many frames in one call, ten times as fast as
its ordinary model and equal to it up to rounding. Its weights are in its wheel, which requirements.lock pins.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
from silero_vad import SileroVADSequence, load_silero_vad
from silero_vad.utils_vad import get_speech_timestamps_from_probs

from stages.sections.data import Segment

SAMPLE_RATE = 16000  # Hz; silero-vad's own
LEVEL_DBFS = -16.0  # speech is brought to this level for it: it misses the beginnings of quiet speech
LEAD_SECONDS = 0.5  # silence put around a recording for it: without it, speech is noticed up to 0.25 s late
FRAME, CONTEXT, STATE = 512, 64, 128  # of the model: samples per probability, samples before them, numbers per state
FRAMES_PER_CALL = 512  # 16 s
MIN_SPEECH_SECONDS = 0.25
POWER_SECONDS = 0.01  # grid of the powers that decide where long speech is split


class FoundSpeech(NamedTuple):
    """What one pass over a recording finds."""

    regions: list[tuple[float, float]]  # (start, end) in seconds, in order
    powers: np.ndarray  # (n,) float64 mean squares of the POWER_SECONDS around each multiple of POWER_SECONDS


def find_speech(blocks: Iterable[np.ndarray], level_dbfs: float, params: Segment) -> FoundSpeech:
    """Find the speech in a recording.

    Args:
        blocks: (n,) float32 at SAMPLE_RATE Hz.
        level_dbfs: RMS level of what is not silent in it, in dB relative to full scale.
        params: the section `segment` of params.yaml.
    """
    hop = round(POWER_SECONDS * SAMPLE_RATE)
    powers = _FramePowers(hop)
    lead = round(LEAD_SECONDS * SAMPLE_RATE)
    silence = np.zeros(lead, np.float32)
    gain = np.float32(10 ** ((LEVEL_DBFS - level_dbfs) / 20))

    def amplified() -> Iterator[np.ndarray]:
        yield silence
        for block in blocks:
            powers.add(block)
            yield np.clip(block * gain, -1, 1)
        yield silence

    probabilities = list(_speech_probabilities(amplified()))
    n_samples = powers.n_samples
    regions = get_speech_timestamps_from_probs(
        np.concatenate(probabilities),
        threshold=params.vad_threshold,
        sampling_rate=SAMPLE_RATE,
        min_speech_duration_ms=round(1000 * MIN_SPEECH_SECONDS),
        min_silence_duration_ms=round(1000 * params.min_silence_seconds),
        speech_pad_ms=0,  # `cut` adds the padding, because it knows the clips
        audio_length_samples=n_samples + 2 * lead,
    )
    inside = [(max(region["start"] - lead, 0), min(region["end"] - lead, n_samples)) for region in regions]
    seconds = [(start / SAMPLE_RATE, end / SAMPLE_RATE) for start, end in inside if start < end]
    return FoundSpeech(seconds, powers.values())


def _speech_probabilities(blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield silero-vad's probability of speech for each FRAME samples, in arrays of up to FRAMES_PER_CALL.

    The last frame is filled up with zeros. The model's state and the samples before a frame are carried over.
    """
    session = _model().session
    hidden = cell = np.zeros((1, 1, STATE), np.float32)
    context = np.zeros(CONTEXT, np.float32)
    for samples in _in_pieces(blocks, FRAME * FRAMES_PER_CALL):
        frames = np.pad(samples, (0, -len(samples) % FRAME)).reshape(-1, FRAME)
        contexts = np.concatenate([context[None], frames[:-1, -CONTEXT:]])
        context = frames[-1, -CONTEXT:]
        inputs = {"input": np.concatenate([contexts, frames], axis=1), "h": hidden, "c": cell}
        probabilities, hidden, cell = session.run(["speech_probs", "hn", "cn"], inputs)
        yield probabilities.reshape(-1)


@cache
def _model() -> SileroVADSequence:
    return load_silero_vad(sequence=True)


def _in_pieces(blocks: Iterable[np.ndarray], length: int) -> Iterator[np.ndarray]:
    """Yield the same samples in arrays of the same length, the last of which may be shorter."""
    waiting = np.zeros(0, np.float32)
    for block in blocks:
        waiting = np.concatenate([waiting, block])
        while len(waiting) >= length:
            yield waiting[:length]
            waiting = waiting[length:]
    if len(waiting):
        yield waiting


class _FramePowers:
    """Mean squares of the frames centred on the multiples of `hop` samples."""

    def __init__(self, hop: int) -> None:
        self.n_samples = 0
        self._hop = hop
        self._rest = np.zeros(hop // 2)  # half a frame before the first sample
        self._powers: list[np.ndarray] = []

    def add(self, block: np.ndarray) -> None:
        self.n_samples += len(block)
        squares = np.concatenate([self._rest, np.square(block, dtype=np.float64)])
        n_whole = len(squares) // self._hop * self._hop
        self._powers.append(squares[:n_whole].reshape(-1, self._hop).mean(axis=1))
        self._rest = squares[n_whole:]

    def values(self) -> np.ndarray:
        return np.concatenate([np.zeros(0), *self._powers])

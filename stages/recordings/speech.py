"""Where somebody speaks in a recording, and where a cut would do harm, from one pass over its blocks.

The probabilities are silero-vad's. Its sequence model computes those of many frames in one call, eight times as fast as
its ordinary model and equal to it up to rounding. Its weights are in its wheel, which requirements.lock pins. They are
read without importing the package, which would import torch: that takes longer than to listen to ten minutes.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stages.sections.data import Segment

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

WEIGHTS = "silero_vad_16k_sequence.onnx"
SAMPLE_RATE = 16000  # Hz; silero-vad's own
LEVEL_DBFS = -16.0  # speech is brought to this level for it: it misses the beginnings of quiet speech
LEAD_SECONDS = 0.5  # silence put around a recording for it: without it, speech is noticed up to 0.25 s late
FRAME, CONTEXT, STATE = 512, 64, 128  # of the model: samples per probability, samples before them, numbers per state
FRAMES_PER_CALL = 512  # 16 s
MIN_SPEECH_SECONDS = 0.25
SILENT_POWER = 1e-12  # -120 dB: digital silence
HYSTERESIS = 0.15  # speech ends where the probability falls that much below the threshold at which it begins
CUT_GRID_SECONDS = 0.01  # places at which long speech may be split
CUT_FRAMES = 6  # of the grid: a cut falls into the middle of the quietest 60 ms
CUT_SPEECH_COST = 0.5  # of a place where speech is certain, as a power of ten: 5 dB. In noise, powers alone mislead


class FoundSpeech(NamedTuple):
    """What one pass over a recording finds."""

    regions: list[tuple[float, float]]  # (start, end) in seconds, in order
    cut_costs: np.ndarray  # (n,) float64, of a cut at each multiple of CUT_GRID_SECONDS; the unit is arbitrary


def find_speech(blocks: Iterable[np.ndarray], level_dbfs: float, params: Segment) -> FoundSpeech:
    """Find the speech in a recording.

    Args:
        blocks: (n,) float32 at SAMPLE_RATE Hz.
        level_dbfs: RMS level of what is not silent in it, in dB relative to full scale.
        params: the section `segment` of params.yaml.
    """
    powers = _FramePowers(round(CUT_GRID_SECONDS * SAMPLE_RATE))
    lead = round(LEAD_SECONDS * SAMPLE_RATE)
    silence = np.zeros(lead, np.float32)
    gain = np.float32(10 ** ((LEVEL_DBFS - level_dbfs) / 20))

    def amplified() -> Iterator[np.ndarray]:
        yield silence
        for block in blocks:
            powers.add(block)
            yield np.clip(block * gain, -1, 1)
        yield silence

    found = array("f")  # one buffer, see _FramePowers
    for some in speech_probabilities(amplified()):
        found.frombytes(some.tobytes())
    probabilities = np.array(found)
    n_samples = powers.n_samples
    regions = speech_regions(probabilities, n_samples + 2 * lead, params.vad_threshold, params.min_silence_seconds)
    inside = [(max(start - lead, 0), min(end - lead, n_samples)) for start, end in regions]
    seconds = [(start / SAMPLE_RATE, end / SAMPLE_RATE) for start, end in inside if start < end]
    return FoundSpeech(seconds, cut_costs(powers.values(), probabilities, lead))


def speech_probabilities(blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield silero-vad's probability of speech for each FRAME samples, in arrays of up to FRAMES_PER_CALL.

    The last frame is filled up with zeros. The model's state and the samples before a frame are carried over.
    """
    session = _model()
    hidden = cell = np.zeros((1, 1, STATE), np.float32)
    context = np.zeros(CONTEXT, np.float32)
    for samples in _in_pieces(blocks, FRAME * FRAMES_PER_CALL):
        frames = np.pad(samples, (0, -len(samples) % FRAME)).reshape(-1, FRAME)
        contexts = np.concatenate([context[None], frames[:-1, -CONTEXT:]])
        context = frames[-1, -CONTEXT:]
        inputs = {"input": np.concatenate([contexts, frames], axis=1), "h": hidden, "c": cell}
        probabilities, hidden, cell = session.run(["speech_probs", "hn", "cn"], inputs)
        yield probabilities.reshape(-1)


def speech_regions(
    probabilities: np.ndarray, n_samples: int, threshold: float, min_silence_seconds: float
) -> list[tuple[int, int]]:
    """Return the (start, end) of speech in samples, as silero-vad's own program finds it.

    Args:
        probabilities: of each FRAME samples.
        n_samples: of the recording, which the last frame may exceed.
        threshold: probability at which speech begins.
        min_silence_seconds: a shorter pause does not end it.
    """
    regions: list[tuple[int, int]] = []
    start = silence = None
    for index in np.flatnonzero((probabilities >= threshold) | (probabilities < threshold - HYSTERESIS)):
        position = int(index) * FRAME
        if probabilities[index] >= threshold:
            silence = None
            start = position if start is None else start
        elif start is not None:
            silence = position if silence is None else silence
            if position - silence >= min_silence_seconds * SAMPLE_RATE:
                regions.append((start, silence))
                start = silence = None
    if start is not None:
        regions.append((start, n_samples))
    return [(start, end) for start, end in regions if end - start > MIN_SPEECH_SECONDS * SAMPLE_RATE]


def cut_costs(powers: np.ndarray, probabilities: np.ndarray, lead: int) -> np.ndarray:
    """Return how much a cut at each multiple of CUT_GRID_SECONDS would harm.

    Measured on LJSpeech joined with pauses below 0.1 s: of 146 to 152 edges of clips, those inside a word are 5 without
    noise, 21 at 20 dB, 25 at 10 dB and 26 at 5 dB. By the power of the nearest 10 ms alone they are 7, 51, 87 and 96.

    Args:
        powers: (n,) mean squares of frames of CUT_GRID_SECONDS.
        probabilities: of speech in each FRAME samples.
        lead: samples for which there are probabilities before the first frame of `powers`.

    Returns:
        (n,) float64: the logarithm of the mean power of the CUT_FRAMES around the place, and the probability of speech.
    """
    around = np.convolve(powers, np.ones(CUT_FRAMES) / CUT_FRAMES)[CUT_FRAMES // 2 - 1 :][: len(powers)]
    places = np.arange(len(powers)) * round(CUT_GRID_SECONDS * SAMPLE_RATE) + lead
    speech = np.interp(places, (np.arange(len(probabilities)) + 0.5) * FRAME, probabilities)
    return np.log10(np.maximum(around, 0.0) + SILENT_POWER) + CUT_SPEECH_COST * speech


@cache
def _model() -> InferenceSession:
    """Return the model on one thread, without the arena in which onnxruntime keeps freed memory."""
    import onnxruntime

    package = find_spec("silero_vad")
    assert package and package.origin, "silero-vad is a dependency of this project"
    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = options.intra_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    weights = Path(package.origin).parent / "data" / WEIGHTS
    return onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])


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
    """Mean squares of the frames of `hop` samples."""

    def __init__(self, hop: int) -> None:
        self.n_samples = 0
        self._hop = hop
        self._rest = np.zeros(0)
        # one buffer that grows: small arrays that stay between large ones that go keep malloc from reusing their place
        self._powers = array("d")

    def add(self, block: np.ndarray) -> None:
        self.n_samples += len(block)
        squares = np.concatenate([self._rest, np.square(block, dtype=np.float64)])
        n_whole = len(squares) // self._hop * self._hop
        self._powers.frombytes(squares[:n_whole].reshape(-1, self._hop).mean(axis=1).tobytes())
        self._rest = squares[n_whole:]

    def values(self) -> np.ndarray:
        return np.array(self._powers)

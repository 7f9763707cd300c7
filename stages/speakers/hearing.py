"""What runs in worker processes: a clip's speaker embedding and its fingerprint."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import NamedTuple

import torch

from gpt_sovits.audio import load_audio, to_mono
from metrics.judges.speaker import SpeakerJudge, load_speaker_judge
from stages.execution.arrays import Array
from stages.execution.cache import ResultCache
from stages.execution.cached_calls import cached_map
from stages.execution.one_version import with_one_version
from stages.execution.parallel import Map
from stages.profiles import judge_weights, weights_stamp
from stages.recordings.sound.fingerprint import FingerprintMeter
from stages.recordings.sound.spectra import NarrowReader


class ClipSound(NamedTuple):
    """What a clip is compared by.

    Attributes:
        embedding: (D,) float32 of unit norm, None where no speaker can be heard.
        fingerprint: (n_words,) uint32, see stages/recordings/sound/fingerprint.py.
    """

    embedding: Array | None
    fingerprint: Array


def _loaded_judge(speaker: str) -> SpeakerJudge:
    return _load_judge(speaker, weights_stamp(speaker))


@functools.lru_cache(maxsize=1)
def _load_judge(speaker: str, stamp: tuple[tuple[str, int, int], ...]) -> SpeakerJudge:
    torch.set_num_threads(1)  # or the last bits would depend on the number of threads
    return load_speaker_judge(speaker, judge_weights(speaker))


def hear_clip(path: Path, speaker: str) -> ClipSound:
    """Return the embedding of a clip by the speaker judge `speaker`, and its fingerprint."""
    samples, sample_rate = load_audio(path)
    waveform = to_mono(samples)
    reader, meter = NarrowReader(sample_rate), FingerprintMeter()
    meter.add(reader.read(waveform, last=True))
    try:
        embedding = _loaded_judge(speaker).embed(waveform, sample_rate)
    except ValueError:
        embedding = None
    return ClipSound(embedding, meter.result())


def hearing_workers(speaker: str, workers: Map, cache: ResultCache) -> Map:
    """Return a map for hear_clip that takes from the cache what the speaker judge `speaker` heard before.

    All of its workers hear with the same version of the judge.
    """
    version, workers = with_one_version(workers, functools.partial(_judge_version, speaker))
    return cached_map(workers, cache, same={"speaker": version})


def _judge_version(speaker: str) -> str:
    return _loaded_judge(speaker).version

"""What the samples of a recording show: length, level, clipping, noise floor."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from gpt_sovits.audio import AudioError, load_audio, to_mono
from metrics.sound import clipped_share, decibels
from stages.recordings.containers import fault_of_container
from stages.sections.data import Ingest

FRAME_SECONDS = 0.05
NOISE_FLOOR_PERCENTILE = 5


class Measurement(NamedTuple):
    """Figures of a recording. The fields are those of stages.tables.Recording."""

    seconds: float
    sample_rate: int
    n_channels: int
    level_dbfs: float
    clipped_share: float
    noise_floor_dbfs: float


def measure_file(path: Path) -> Measurement:
    """Decode and measure a recording.

    Raises:
        AudioError: it cannot be decoded to its end.
    """
    samples, sample_rate = load_audio(path)
    announced = soundfile.info(path).frames if path.suffix.lower() == ".mp3" else None
    if fault := fault_of_container(path, len(samples), announced):
        raise AudioError(f"{path.name}: {fault}")
    return measure(samples, sample_rate)


def measure(samples: np.ndarray, sample_rate: int) -> Measurement:
    """Measure decoded audio.

    Levels are those of the channels' mean, which is what the clips are cut from. So channels that cancel out are
    silence. Figures are rounded, so that the last bit of a sum does not change the table.

    Args:
        samples: (n_samples, n_channels) float32, finite.
        sample_rate: in Hz.
    """
    mono = to_mono(samples).astype(np.float64)
    mono -= mono.mean()  # a constant offset is not sound
    frame_length = max(1, round(FRAME_SECONDS * sample_rate))
    n_frames = max(1, len(mono) // frame_length)
    frames = mono[: n_frames * frame_length].reshape(n_frames, -1)
    frame_levels = np.sqrt(np.square(frames).mean(axis=1))
    return Measurement(
        seconds=round(len(mono) / sample_rate, 6),
        sample_rate=sample_rate,
        n_channels=samples.shape[1],
        level_dbfs=decibels(math.sqrt(np.square(mono).mean())),
        clipped_share=clipped_share(samples),
        noise_floor_dbfs=decibels(float(np.percentile(frame_levels, NOISE_FLOOR_PERCENTILE))),
    )


def rejection_reason(measurement: Measurement, params: Ingest) -> str:
    """Return every reason why a recording cannot be used, or an empty text where it can."""
    seconds, sample_rate, _, level, clipped, _ = measurement
    reasons = []
    if seconds < params.min_seconds:
        reasons.append(f"{seconds:.2f} s is shorter than ingest.min_seconds = {params.min_seconds}")
    if seconds > params.max_seconds:
        reasons.append(f"{seconds:.0f} s is longer than ingest.max_seconds = {params.max_seconds:.0f}; cut it")
    if sample_rate < params.min_sample_rate:
        reasons.append(f"{sample_rate} Hz is below ingest.min_sample_rate = {params.min_sample_rate} Hz")
    if level < params.min_level_dbfs:
        reasons.append(f"silence: level {level:.1f} dBFS is below ingest.min_level_dbfs = {params.min_level_dbfs}")
    if clipped > params.max_clipped_share:
        reasons.append(f"clipped: share {clipped:.3f} is above ingest.max_clipped_share = {params.max_clipped_share}")
    return "; ".join(reasons)

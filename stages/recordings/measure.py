"""What the samples of a recording show: length, channels, level, clipping."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from gpt_sovits.audio import AudioError
from stages.recordings.channels import ChannelMeter, Relation
from stages.recordings.decoding import open_audio
from stages.sections.data import Ingest


class Measurement(NamedTuple):
    """Figures of a recording. The fields are those of stages.tables.Recording."""

    seconds: float
    sample_rate: int
    n_channels: int
    channel: int | None
    channels: Relation
    dc_offset: float
    full_scale: float
    level_dbfs: float
    clipped_share: float


def measure_file(path: Path, max_seconds: float) -> Measurement:
    """Decode and measure a recording.

    Levels are those of the sound that the clips are cut from: one channel or the mean of all, without its offset.

    Args:
        path: the file.
        max_seconds: a longer recording is refused, before it is decoded where its header says so.

    Raises:
        AudioError: it cannot be decoded to its end, or is too long.
        OSError: it cannot be read.
    """
    with open_audio(path) as stream:
        announced = (stream.n_announced or 0) / stream.sample_rate
        if announced > max_seconds:
            raise AudioError(f"{path.name}: {_too_long(announced, max_seconds)}, says its header")
        meter = ChannelMeter(stream.sample_rate, stream.n_channels, is_float=stream.is_float)
        for block in stream.blocks:
            meter.add(block)
            if meter.n_samples > max_seconds * stream.sample_rate:
                raise AudioError(f"{path.name}: {_too_long(meter.n_samples / stream.sample_rate, max_seconds)}")
        mix = meter.mix()
        return Measurement(
            seconds=round(meter.n_samples / stream.sample_rate, 6),
            sample_rate=stream.sample_rate,
            n_channels=stream.n_channels,
            **mix._asdict(),
            **meter.levels(mix)._asdict(),
        )


def rejection_reason(measurement: Measurement, params: Ingest) -> str:
    """Return every reason why a recording cannot be used, or an empty text where it can."""
    seconds, sample_rate = measurement.seconds, measurement.sample_rate
    level, clipped = measurement.level_dbfs, measurement.clipped_share
    reasons = []
    if seconds < params.min_seconds:
        reasons.append(f"{seconds:.2f} s is shorter than ingest.min_seconds = {params.min_seconds}")
    if sample_rate < params.min_sample_rate:
        reasons.append(f"{sample_rate} Hz is below ingest.min_sample_rate = {params.min_sample_rate} Hz")
    if level < params.min_level_dbfs:
        reasons.append(f"silence: level {level:.1f} dBFS is below ingest.min_level_dbfs = {params.min_level_dbfs}")
    if clipped > params.max_clipped_share:
        reasons.append(f"clipped: share {clipped:.3f} is above ingest.max_clipped_share = {params.max_clipped_share}")
    return "; ".join(reasons)


def _too_long(seconds: float, max_seconds: float) -> str:
    return f"{seconds:.0f} s is longer than ingest.max_seconds = {max_seconds:.0f}; cut it"

"""What the samples of a recording show: length, channels, level, clipping."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from gpt_sovits.audio import AudioError
from stages.recordings.channels import ChannelMeter, Relation
from stages.recordings.decoding import mono_blocks, open_audio
from stages.recordings.sound.meter import SoundMeter
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
    longest_clipping: int
    loudness_lufs: float | None
    snr_db: float | None
    bandwidth_hz: int | None
    reverberation_seconds: float | None
    music_share: float | None


def measure_file(path: Path, max_seconds: float) -> tuple[Measurement, np.ndarray]:
    """Decode and measure a recording.

    Levels are those of the sound that the clips are cut from: one channel or the mean of all, without its offset. A
    recording whose mono sound is only known after it was decoded is decoded twice.

    Args:
        path: the file.
        max_seconds: a longer recording is refused, before it is decoded where its header says so.

    Returns:
        Its figures and its fingerprint, see sound/fingerprint.py.

    Raises:
        AudioError: it cannot be decoded to its end, or is too long.
        OSError: it cannot be read.
    """
    with open_audio(path) as stream:
        announced = (stream.n_announced or 0) / stream.sample_rate
        if announced > max_seconds:
            raise AudioError(f"{path.name}: {_too_long(announced, max_seconds)}, says its header")
        meter = ChannelMeter(stream.sample_rate, stream.n_channels, is_float=stream.is_float)
        is_mono = stream.n_channels == 1 and not stream.is_float
        sound = SoundMeter(stream.sample_rate)
        for block in stream.blocks:
            meter.add(block)
            if is_mono:
                sound.add(block[:, 0])
            if meter.n_samples > max_seconds * stream.sample_rate:
                raise AudioError(f"{path.name}: {_too_long(meter.n_samples / stream.sample_rate, max_seconds)}")
        mix = meter.mix()
    if not is_mono:
        with open_audio(path) as again:
            for samples in mono_blocks(again.blocks, mix):
                sound.add(samples)
    figures, fingerprint = sound.finish()
    measurement = Measurement(
        seconds=round(meter.n_samples / stream.sample_rate, 6),
        sample_rate=stream.sample_rate,
        n_channels=stream.n_channels,
        **mix._asdict(),
        **meter.levels(mix)._asdict(),
        **figures._asdict(),
    )
    return measurement, fingerprint


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
    if measurement.channels == "several talkers" and params.several_talkers == "exclude":
        reasons.append("other people speak on other channels, and ingest.several_talkers = exclude")
    return "; ".join(reasons + _reasons_of_sound(measurement, params))


def _reasons_of_sound(measurement: Measurement, params: Ingest) -> list[str]:
    """Return the reasons by limits that may be null. What could not be measured has no reason."""
    at_rate = f"though it has {measurement.sample_rate} Hz"
    at_least = (
        (
            "min_bandwidth_hz",
            params.min_bandwidth_hz,
            measurement.bandwidth_hz,
            f"no sound above {{:.0f}} Hz, {at_rate}",
        ),
        ("min_snr_db", params.min_snr_db, measurement.snr_db, "noisy: speech is {:.1f} dB above the noise"),
        ("min_loudness_lufs", params.min_loudness_lufs, measurement.loudness_lufs, "quiet: {:.1f} LUFS"),
    )
    at_most = (
        (
            "max_reverberation_seconds",
            params.max_reverberation_seconds,
            measurement.reverberation_seconds,
            "reverberant: T60 is about {:.2f} s",
        ),
        ("max_clipping_samples", params.max_clipping_samples, measurement.longest_clipping, "clipped: {} in a row"),
        ("max_music_share", params.max_music_share, measurement.music_share, "music or strong hum: share {:.2f}"),
    )
    reasons = [
        f"{sentence.format(value)}; below ingest.{key} = {limit:g}"
        for key, limit, value, sentence in at_least
        if limit is not None and value is not None and value < limit
    ]
    reasons += [
        f"{sentence.format(value)}; above ingest.{key} = {limit:g}"
        for key, limit, value, sentence in at_most
        if limit is not None and value is not None and value > limit
    ]
    return reasons


def _too_long(seconds: float, max_seconds: float) -> str:
    return f"{seconds:.0f} s is longer than ingest.max_seconds = {max_seconds:.0f}; cut it"

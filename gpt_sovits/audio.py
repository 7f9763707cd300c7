"""Reading and writing of audio files, and resampling. Waveforms are float32 in [-1, 1]."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr

from gpt_sovits.errors import GptSovitsError


class AudioError(GptSovitsError, ValueError):
    """An audio file cannot be read."""


def load_audio(path: Path) -> tuple[np.ndarray, int]:
    """Decode a whole audio file.

    libsndfile decodes wav, flac, ogg and mp3. PyAV, whose wheel contains ffmpeg, decodes m4a.

    Returns:
        The samples, (n_samples, n_channels) float32, nominally in [-1, 1], and the sample rate in Hz.

    Raises:
        AudioError: If the file is not audio, is cut short, has no samples, or contains NaN or infinite samples.
    """
    try:
        if path.suffix.lower() in {".wav", ".flac", ".ogg", ".mp3"}:
            samples, sample_rate = _load_with_soundfile(path)
        elif path.suffix.lower() == ".m4a":
            samples, sample_rate = _load_with_av(path)
        else:
            raise AudioError(
                f"{path.name}: is not a wav, flac, ogg, mp3 or m4a file; convert it to one of these formats"
            )
    except (soundfile.SoundFileError, RuntimeError) as error:
        # drop the path that libsndfile puts in front, because a message may go into a table
        reason = getattr(error, "error_string", str(error))
        raise AudioError(f"{path.name}: cannot be decoded ({' '.join(reason.split())})") from error
    if samples.size == 0:
        raise AudioError(f"{path.name}: holds no samples")
    if not np.isfinite(samples).all():
        raise AudioError(f"{path.name}: holds NaN or infinite samples")
    return samples, sample_rate


def _load_with_soundfile(path: Path) -> tuple[np.ndarray, int]:
    with soundfile.SoundFile(path) as file:
        samples = file.read(dtype="float32", always_2d=True)
        # a truncated file decodes without an error up to the cut. An mp3 or ogg header may only estimate the length
        if file.format in {"WAV", "FLAC"} and len(samples) < file.frames:
            raise AudioError(f"{path.name}: is cut short: {len(samples)} of {file.frames} samples can be decoded")
        return samples, file.samplerate


def _load_with_av(path: Path) -> tuple[np.ndarray, int]:
    import av

    try:
        with av.open(
            str(path), format="mov"
        ) as container:  # a fixed format, because a disguised playlist would open other files
            if not container.streams.audio:
                raise AudioError(f"{path.name}: has no audio track")
            stream = container.streams.audio[0]
            resampler = av.AudioResampler(format="fltp")
            frames = [frame for packet in container.decode(stream) for frame in resampler.resample(packet)]
            frames += resampler.resample(None)
            if not frames:
                return np.zeros((0, 1), np.float32), int(stream.rate)
            return np.concatenate([frame.to_ndarray() for frame in frames], axis=1).T.copy(), int(frames[0].sample_rate)
    except av.FFmpegError as error:
        raise AudioError(f"{path.name}: cannot be decoded ({error.strerror})") from error


def to_mono(samples: np.ndarray) -> np.ndarray:
    """Return the mean of the channels: (n_samples, n_channels) -> (n_samples,) float32."""
    return samples.mean(axis=1, dtype=np.float32)


def resample(waveform: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    """Resample a waveform with soxr in high quality.

    Args:
        waveform: (n_samples,) float32.
        from_rate: Its sample rate in Hz.
        to_rate: The new sample rate in Hz.

    Returns:
        (n_samples * to_rate / from_rate,) float32.
    """
    if from_rate == to_rate:
        return waveform
    return soxr.resample(waveform, from_rate, to_rate, quality="HQ").astype(np.float32, copy=False)


def resample_blocks(blocks: Iterable[np.ndarray], from_rate: int, to_rate: int) -> Iterator[np.ndarray]:
    """Resample a waveform that comes in blocks. Joined, they are what `resample` makes of the joined blocks.

    Args:
        blocks: (n,) float32 each.
        from_rate: Their sample rate in Hz.
        to_rate: The new sample rate in Hz.

    Yields:
        (m,) float32. Some may be empty.
    """
    if from_rate == to_rate:
        yield from blocks
        return
    stream = soxr.ResampleStream(from_rate, to_rate, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)


def pcm16(waveform: np.ndarray) -> np.ndarray:
    """Convert a waveform to 16-bit samples. Full scale is 32767 on both sides, so that nothing wraps around.

    Args:
        waveform: Float in [-1, 1], any shape.

    Returns:
        int16 in the same shape.

    Raises:
        ValueError: If a sample is NaN, or exceeds full scale by more than a rounding error.
    """
    peak = float(np.abs(waveform).max(initial=0.0))
    if not peak <= 1.0 + 1e-6:
        raise ValueError(f"samples reach {peak}; they must be in [-1, 1], so divide the waveform by its peak")
    return np.rint(np.clip(waveform.astype(np.float64), -1.0, 1.0) * 32767).astype(
        np.int16
    )  # float32 would round twice


def save_flac(path: Path, waveform: np.ndarray, sample_rate: int) -> None:
    """Write a mono 16-bit FLAC file, which appears at once and complete.

    Args:
        path: The file, which is replaced if it exists.
        waveform: (n_samples,) float in [-1, 1]. The caller limits the peak.
        sample_rate: In Hz.
    """
    assert waveform.ndim == 1, waveform.shape
    assert np.abs(waveform).max(initial=0.0) <= 1.0, "samples beyond full scale"
    partial = path.with_name(f".{path.name}.partial")
    soundfile.write(partial, waveform, sample_rate, format="FLAC", subtype="PCM_16")
    partial.replace(path)

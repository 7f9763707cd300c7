"""Decode a recording in blocks, so that memory does not grow with its length.

libsndfile decodes what it can. PyAV, whose wheel contains ffmpeg, decodes the rest. The container is recognised by its
first bytes (see containers.py) and not by the file's name, and ffmpeg is told which one it is: left to guess, it would
take a text file for a playlist and open the files that it names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import soundfile

from gpt_sovits.audio import AudioError
from stages.recordings.containers import Container, announced_mp3_samples, recognise

BLOCK_SAMPLES = 65536  # per channel: 1.5 s at 44.1 kHz
MAX_PEAK = 2.0**31  # of samples as float, if they are those of a 32-bit integer file
MAX_ANNOUNCED = 2**62  # libsndfile's number for an unknown length is larger
MIN_RATE = 1000  # Hz; a header that states less is wrong
MP3_FRAME = 1152  # samples
SLACK_SECONDS = 0.1  # by which the length in a header may exceed what can be decoded: codecs add delays and padding


class AudioStream(NamedTuple):
    """A recording that is being decoded."""

    sample_rate: int  # in Hz
    n_channels: int
    n_announced: int | None  # samples per channel, as the header says; None where it does not say
    is_float: bool  # whether samples beyond 1.0 have lost nothing, because the file stores float samples
    blocks: Iterator[np.ndarray]  # (n, n_channels) float32, finite, n at most BLOCK_SAMPLES


class _StreamedFile(soundfile.SoundFile):
    """A file that is read once from its start. soundfile seeks after each read, which hides holes and fails in some."""

    def seekable(self) -> bool:
        """Return False."""
        return False


@contextmanager
def open_audio(path: Path) -> Iterator[AudioStream]:
    """Open a recording, and check while its blocks are read that nothing is missing.

    Raises:
        AudioError: If the file cannot be decoded, is cut short or damaged, or holds no samples or samples that are not
            numbers. Its message names the file. It may be raised while the blocks are read.
        OSError: If the file cannot be read.
    """
    container = recognise(path)
    with ExitStack() as stack:
        stream = _open_with_soundfile(path, stack) if container.for_soundfile else None
        stream = stream or _open_with_av(path, container, stack)
        if stream.sample_rate < MIN_RATE:
            raise AudioError(
                f"{path.name}: is damaged: its header states {stream.sample_rate} Hz, and no sound below {MIN_RATE} Hz "
                "is read"
            )
        yield stream._replace(blocks=_checked(path, container, stream))


class MonoSource(Protocol):
    """How mono sound is made of the channels: a MonoMix of channels.py, or a row of stages.tables.Recording."""

    @property
    def channel(self) -> int | None:
        """Return the channel, counted from 1, or None for the mean of all."""

    @property
    def dc_offset(self) -> float:
        """Return the offset that is subtracted."""

    @property
    def full_scale(self) -> float:
        """Return what the samples are divided by."""


def mono_blocks(blocks: Iterable[np.ndarray], source: MonoSource) -> Iterator[np.ndarray]:
    """Yield the mono sound of (n, n_channels) blocks as (n,) float32, at most a little above 1.0."""
    for block in blocks:
        channel = mean_of_channels(block) if source.channel is None else block[:, source.channel - 1]
        yield (channel - np.float32(source.dc_offset)) / np.float32(source.full_scale)


def mean_of_channels(block: np.ndarray) -> np.ndarray:
    """Return the mean of the channels of (n, n_channels) float32 as (n,) float32.

    It adds channel by channel, because numpy's own mean over a short last axis is ten times slower.
    """
    total = block[:, 0].copy()
    for number in range(1, block.shape[1]):
        total += block[:, number]
    return total / np.float32(block.shape[1]) if block.shape[1] > 1 else total


def _checked(path: Path, container: Container, stream: AudioStream) -> Iterator[np.ndarray]:
    """Yield the blocks of a stream, and raise AudioError where one is wrong, or where they end too early."""
    n_samples = 0
    for block in stream.blocks:
        peak = float(np.abs(block).max(initial=0.0))
        if not np.isfinite(peak):
            raise AudioError(f"{path.name}: holds NaN or infinite samples")
        if peak > MAX_PEAK:
            raise AudioError(
                f"{path.name}: is damaged: a sample of {peak:.3g} at {n_samples / stream.sample_rate:.1f} s exceeds "
                f"the range of every format, {MAX_PEAK:.3g}"
            )
        n_samples += len(block)
        yield block
    slack = {"FLAC": 0, "MP3": MP3_FRAME}.get(container.name, round(SLACK_SECONDS * stream.sample_rate))
    if stream.n_announced is not None and n_samples < stream.n_announced - slack:
        lengths = [f"{n / stream.sample_rate:.1f} s" for n in (n_samples, stream.n_announced)]
        raise AudioError(
            f"{path.name}: is cut short or damaged: {lengths[0]} of {lengths[1]} can be decoded "
            f"({n_samples} of {stream.n_announced} samples)"
        )
    if not n_samples:
        raise AudioError(f"{path.name}: holds no samples")


def _open_with_soundfile(path: Path, stack: ExitStack) -> AudioStream | None:
    """Open a stream that is closed with the stack, or return None where libsndfile does not know the format."""
    try:
        file = stack.enter_context(_StreamedFile(path))
    except soundfile.SoundFileError:
        return None

    def blocks() -> Iterator[np.ndarray]:
        try:
            while len(block := file.read(BLOCK_SAMPLES, dtype="float32", always_2d=True)):
                yield block
        except soundfile.SoundFileError as error:
            raise AudioError(f"{path.name}: is cut short or damaged: {_sentence(error)}") from error

    announced = announced_mp3_samples(path) if file.format == "MP3" else file.frames
    return AudioStream(
        sample_rate=file.samplerate,
        n_channels=file.channels,
        n_announced=announced if announced is not None and announced < MAX_ANNOUNCED else None,
        is_float=file.subtype in {"FLOAT", "DOUBLE"},
        blocks=blocks(),
    )


def _open_with_av(path: Path, container: Container, stack: ExitStack) -> AudioStream:
    """Open a stream with ffmpeg. It is closed with the stack."""
    import av

    try:
        # with the protocol, or ffmpeg takes "http:" at the start of a name for one
        opened = stack.enter_context(av.open(f"file:{path}", format=container.demuxer))
    except (av.FFmpegError, ValueError) as error:
        raise _av_error(path, container, error) from error
    if not opened.streams.audio:
        raise AudioError(f"{path.name}: has no audio track")
    source = opened.streams.audio[0]
    if source.codec_context is None or not source.rate:
        raise AudioError(f"{path.name}: its audio has a codec that is not known; convert it to FLAC")
    seconds = None
    if container.states_length and source.duration is not None:
        seconds = float(source.duration * source.time_base)
    elif container.states_length and len(opened.streams) == 1 and opened.duration is not None:
        seconds = opened.duration / av.time_base

    def frames() -> Iterator[av.AudioFrame]:
        resampler = av.AudioResampler(format="fltp")  # converts the samples, and keeps the rate
        try:
            for frame in chain(opened.decode(source), [None]):
                yield from resampler.resample(frame)
        except (av.FFmpegError, ValueError) as error:
            raise _av_error(path, container, error) from error

    decoded = frames()
    first = next(decoded, None)  # the header of some AAC states half of its sample rate
    sample_rate = first.sample_rate if first else source.rate
    n_channels = first.layout.nb_channels if first else source.channels

    def arrays() -> Iterator[np.ndarray]:
        for frame in chain([first] if first else [], decoded):
            if (frame.sample_rate, frame.layout.nb_channels) != (sample_rate, n_channels):
                raise AudioError(f"{path.name}: its sample rate or number of channels changes; convert it to FLAC")
            yield frame.to_ndarray().T

    return AudioStream(
        sample_rate=sample_rate,
        n_channels=n_channels,
        n_announced=None if seconds is None else round(seconds * sample_rate),
        is_float=source.codec_context.name.startswith("pcm_f"),
        blocks=_joined(arrays()),
    )


def _av_error(path: Path, container: Container, error: Exception) -> AudioError:
    return AudioError(f"{path.name}: is cut short or damaged: {_sentence(error)} (read as {container.name})")


def _sentence(error: Exception) -> str:
    """Return the text of a decoder's error on one line, without the path that may stand in front."""
    text = getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error)
    return " ".join(str(text).split()).rstrip(".")


def _joined(arrays: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Join the short arrays of a decoder to blocks of BLOCK_SAMPLES, the last of which may be shorter."""
    waiting: list[np.ndarray] = []
    n_waiting = 0
    for array in arrays:
        waiting.append(array)
        n_waiting += len(array)
        while n_waiting >= BLOCK_SAMPLES:
            joined = np.concatenate(waiting)
            yield np.ascontiguousarray(joined[:BLOCK_SAMPLES])
            waiting, n_waiting = [joined[BLOCK_SAMPLES:]], n_waiting - BLOCK_SAMPLES
    if n_waiting:
        yield np.ascontiguousarray(np.concatenate(waiting))

"""Sound as clients take it: int16 samples to one of six formats, while it is made or as a whole.

An encoder is fed piece by piece and gives what can be sent so far. Its bytes depend on the samples alone and not on how
they were cut into pieces. Encoding blocks, so it belongs into a thread and not into an event loop.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import IO, Literal, Protocol, cast, get_args

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream

from serving.errors import InvalidRequestError, TextTooLongError

Format = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]
FORMATS: tuple[Format, ...] = get_args(Format)
SampleRate = Literal[8000, 16000, 24000, 32000, 44100, 48000]
MEDIA_TYPES: dict[Format, str] = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
TAGGED: tuple[Format, ...] = ("mp3", "opus", "flac")  # formats whose files can say what they are
OPENAI_PCM_RATE = 24_000  # clients of OpenAI take headerless samples for that
RATES: tuple[int, ...] = get_args(SampleRate)
OPUS_RATES = (8000, 16000, 24000, 48000)
UNKNOWN_SIZE = 0xFFFFFFFF  # of a WAV whose length is not known yet, as OpenAI writes it
MAX_WAV_BYTES = UNKNOWN_SIZE - 37  # with the rest of the header it must be below the value for an unknown size
BLOCK_BYTES = 1 << 20  # of a file that is encoded
STEP_SAMPLES = 320  # resampling and encoding go in steps of this size, whatever the pieces are: 10 ms at 32 kHz


@dataclass(frozen=True)
class Codec:
    """How a compressed format is made.

    Attributes:
        container: Name of FFmpeg's muxer.
        name: Name of FFmpeg's encoder.
        bit_rate: Bits per second, None where it follows from the sound.
        streamed: Options of the muxer for a stream. FFmpeg's pages of Ogg last 1 s by default, and its MP3 begins with
            an empty frame for figures that are known at the end.
    """

    container: str
    name: str
    bit_rate: int | None
    streamed: dict[str, str]


CODECS = {
    "mp3": Codec("mp3", "libmp3lame", 96_000, {"write_xing": "0", "id3v2_version": "0"}),
    "opus": Codec("ogg", "libopus", 48_000, {"page_duration": "20000"}),
    "aac": Codec("adts", "aac", 96_000, {}),
    "flac": Codec("flac", "flac", None, {}),
}


class Encoder(Protocol):
    """Makes bytes of samples."""

    def push(self, pcm: bytes) -> bytes:
        """Take int16 samples and return what can be sent, possibly nothing."""
        ...

    def finish(self) -> bytes:
        """Return the rest. Nothing can be pushed after it."""
        ...


def output_rate(form: Format, source_rate: int, asked: int | None = None) -> int:
    """Return the samples per second of the encoded sound.

    Args:
        form: The format.
        source_rate: Of the voice.
        asked: Of the client. None: what OpenAI's clients expect, which is 24,000 for pcm, else the voice's own, or the
            next one above it that the format has.

    Raises:
        InvalidRequestError: The format cannot have the rate.
    """
    if form == "opus" and asked not in (None, *OPUS_RATES):
        raise InvalidRequestError(
            f"opus cannot have a sample_rate of {asked}; it takes {', '.join(map(str, OPUS_RATES))}",
            param="sample_rate",
        )
    if asked is not None:
        return asked
    if form == "pcm":
        return OPENAI_PCM_RATE
    if form in ("wav", "flac"):
        return source_rate
    possible = OPUS_RATES if form == "opus" else RATES
    return min((rate for rate in possible if rate >= source_rate), default=max(possible))


def open_encoder(form: Format, source_rate: int, rate: int | None = None) -> Encoder:
    """Return an encoder for a stream, whose length is not known.

    Args:
        form: The format.
        source_rate: Samples per second of what is pushed.
        rate: Samples per second of the result, None for the default of `output_rate`.

    Raises:
        InvalidRequestError: The format cannot have the rate.
    """
    out = output_rate(form, source_rate, rate)
    if form in CODECS:
        codec = CODECS[form]
        return _Compressed(codec, source_rate, out, sink=_Pipe(), options=codec.streamed)
    return _Plain(source_rate, out, header=wav_header(out, None) if form == "wav" else b"")


def encode(form: Format, pcm: bytes, source_rate: int, rate: int | None = None) -> bytes:
    """Return a whole file, with its true length wherever the format says one. The arguments are those of a stream."""
    out = output_rate(form, source_rate, rate)
    if form in CODECS:
        file = io.BytesIO()
        encoder = _Compressed(CODECS[form], source_rate, out, sink=file, options={})
        encoder.push(pcm)
        encoder.finish()
        return file.getvalue()
    plain = _Plain(source_rate, out, header=b"")
    samples = plain.push(pcm) + plain.finish()
    return (wav_header(out, len(samples)) if form == "wav" else b"") + samples


def encode_file(
    form: Format,
    samples: IO[bytes],
    target: IO[bytes],
    source_rate: int,
    rate: int | None = None,
    *,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Write what `encode` returns into a file, in memory that does not grow with its length.

    Args:
        form: The format.
        samples: A file of int16 samples.
        target: An empty file that can seek.
        source_rate: Samples per second of the samples.
        rate: Samples per second of the result, None for the default of `output_rate`.
        tags: What players show, such as title, artist and comment. Formats outside TAGGED have none.

    Raises:
        TextTooLongError: The speech is longer than a WAV can be.
    """
    out = output_rate(form, source_rate, rate)
    compressed = None
    if form in CODECS:
        compressed = _Compressed(CODECS[form], source_rate, out, sink=target, options={}, tags=tags or {})
    encoder = compressed or _Plain(source_rate, out, header=wav_header(out, 0) if form == "wav" else b"")
    while block := samples.read(BLOCK_BYTES):
        target.write(encoder.push(block))
    target.write(encoder.finish())
    if form == "wav":
        n_bytes = target.tell() - len(wav_header(out, 0))
        if n_bytes > MAX_WAV_BYTES:
            raise TextTooLongError("the speech is longer than a WAV can be, which is 4 GiB; take flac", param="input")
        target.seek(0)
        target.write(wav_header(out, n_bytes))


def wav_header(rate: int, n_bytes: int | None) -> bytes:
    """Return the header of a WAV of int16 samples, mono.

    Args:
        rate: Samples per second.
        n_bytes: Bytes of samples, None where they are not known yet.
    """
    data, riff = (UNKNOWN_SIZE, UNKNOWN_SIZE) if n_bytes is None else (n_bytes, n_bytes + 36)
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", riff, b"WAVE", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16, b"data", data
    )


class _Steps:
    """Cuts what comes in pieces of any size into steps of one size."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def take(self, pcm: bytes, *, final: bool) -> list[bytes]:
        self._waiting += pcm
        size = 2 * STEP_SAMPLES
        n_whole = len(self._waiting) // size
        steps = [bytes(self._waiting[i * size : (i + 1) * size]) for i in range(n_whole)]
        del self._waiting[: n_whole * size]
        if final and self._waiting:
            steps.append(bytes(self._waiting))
            self._waiting.clear()
        return steps


class _Plain:
    """Samples as they are, or at another rate, after a header."""

    def __init__(self, source_rate: int, rate: int, header: bytes) -> None:
        self._header, self._steps, self._source_rate = header, _Steps(), source_rate
        same = source_rate == rate
        self._resampler = None if same else av.AudioResampler(format="s16", layout="mono", rate=rate)

    def push(self, pcm: bytes) -> bytes:
        header, self._header = self._header, b""
        if self._resampler is None:
            return header + pcm
        steps = self._steps.take(pcm, final=False)
        return header + b"".join(self._resample(_frame(step, self._source_rate)) for step in steps)

    def finish(self) -> bytes:
        header, self._header = self._header, b""
        if self._resampler is None:
            return header
        steps = self._steps.take(b"", final=True)
        frames = [*(_frame(step, self._source_rate) for step in steps), None]
        return header + b"".join(map(self._resample, frames))

    def _resample(self, frame: av.AudioFrame | None) -> bytes:
        assert self._resampler is not None
        return b"".join(out.to_ndarray().tobytes() for out in self._resampler.resample(frame))


class _Pipe:
    """A file that is written once, from its beginning to its end."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        """Return what was written since the last call."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


class _Compressed:
    """Samples through one of FFmpeg's encoders into one of its containers."""

    def __init__(
        self,
        codec: Codec,
        source_rate: int,
        rate: int,
        *,
        sink: _Pipe | IO[bytes],
        options: dict[str, str],
        tags: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._sink, self._steps, self._source_rate = sink, _Steps(), source_rate
        self._container = av.open(cast(IO, sink), "w", format=codec.container, options=options)
        # neither versions nor random numbers in the file, and nothing kept back that could be sent
        self._container.flags |= av.container.Flags.bitexact.value | av.container.Flags.flush_packets.value
        self._stream = cast(AudioStream, self._container.add_stream(codec.name, rate=rate, layout="mono"))
        self._container.metadata.update(tags)
        self._stream.metadata.update(tags)  # where Ogg has them
        context: AudioCodecContext = self._stream.codec_context
        context.flags |= av.codec.context.Flags.bitexact
        if codec.bit_rate is not None:
            context.bit_rate = codec.bit_rate
        form = av.codec.Codec(codec.name, "w").audio_formats[0]
        self._resampler = av.AudioResampler(format=form, layout="mono", rate=rate)

    def push(self, pcm: bytes) -> bytes:
        for step in self._steps.take(pcm, final=False):
            self._encode(_frame(step, self._source_rate))
        return self._sink.take() if isinstance(self._sink, _Pipe) else b""

    def finish(self) -> bytes:
        for step in self._steps.take(b"", final=True):
            self._encode(_frame(step, self._source_rate))
        self._encode(None)
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._sink.take() if isinstance(self._sink, _Pipe) else b""

    def _encode(self, frame: av.AudioFrame | None) -> None:
        for resampled in self._resampler.resample(frame):
            self._container.mux(self._stream.encode(resampled))


def _frame(pcm: bytes, rate: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(np.frombuffer(pcm, "<i2")[None], format="s16", layout="mono")
    frame.sample_rate = rate
    return frame

"""Encode a waveform as any audio file, in memory."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import soundfile

ROOT = Path(__file__).resolve().parents[2]
RATE = 16000


def speech(number: int = 0, seconds: float = 2.0) -> np.ndarray:
    """Return a part of a sentence of the sample voice, (n,) float32 at RATE, another for each number up to 150."""
    files = sorted((ROOT / "data/1_recordings/sample/wavs").iterdir())
    samples, _ = soundfile.read(files[number % len(files)], dtype="float32")
    n = round(seconds * RATE)
    return samples[:n] if number < len(files) else samples[-n:]


def with_soundfile(samples: np.ndarray, format: str, subtype: str | None = None, rate: int = RATE) -> bytes:
    """Encode (n,) or (n, channels) float32 with libsndfile."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=format, subtype=subtype)
    return buffer.getvalue()


def with_ffmpeg(samples: np.ndarray, muxer: str, codec: str, *, rate: int = RATE, **options: str) -> bytes:
    """Encode (n,) float32 at RATE with ffmpeg.

    Args:
        samples: what is encoded.
        muxer: ffmpeg's name of the container's format.
        codec: ffmpeg's name of the encoder.
        rate: of the encoded sound, in Hz.
        options: of the muxer.
    """
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=muxer, options=options) as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        codec_format = stream.codec_context.codec.audio_formats[0]
        stream.codec_context.format = codec_format
        stream.codec_context.bit_rate = 64000
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate = RATE
        resampler = av.AudioResampler(format=codec_format, layout="mono", rate=rate, frame_size=1024)
        for frames in (resampler.resample(frame), resampler.resample(None), [None]):
            for converted in frames:
                container.mux(stream.encode(converted))
    return buffer.getvalue()


def video_without_sound() -> bytes:
    """Return an MPEG-4 file with a picture and no audio track."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()

"""Sound and pictures inside an HTML page: Opus and PNG as base64, with equal bytes for equal audio."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from gpt_sovits.audio import AudioError, load_audio, resample, to_mono

OPUS_RATE = 48_000  # Hz, at which Opus decodes
# Bits per second. A minute of clean speech takes 370 kB at 48,000 and 180 kB at 24,000. Base64 adds a third
FINE, COMPACT = 48_000, 24_000
FINE_SECONDS = 900.0  # more audio than this in total is kept compact
MAX_AUDIO_CHARS = 12_000_000  # of base64: the page stays under 15 MB, which browsers open and mail servers carry

SPECTROGRAM_RATE = 16_000  # Hz, which shows 0 to 8 kHz, the range of speech
N_FFT = 512
HOP = 160  # 10 ms per column
N_ROWS = 128
MAX_COLUMNS = 1500  # the picture of a runaway of a minute would take a megabyte, so it is squeezed
FLOOR_DB, TOP_DB = -95.0, -25.0  # fixed, so that silence is dark in every picture
N_SHADES = 64  # more cannot be told apart and would add a third to the bytes


def read_audio(folder: Path, name: str) -> tuple[np.ndarray, int]:
    """Return the audio of a score row, (n,) float32 in [-1, 1], and its sample rate in Hz.

    Raises:
        ValueError: The file is missing, broken or outside the score folder.
    """
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"a score row names the audio {name!r}, which is not in its score folder")
    try:
        samples, sample_rate = load_audio(path)
    except AudioError as error:
        raise ValueError(f"audio of a score row: {error}; run the evaluate stage again") from error
    return to_mono(samples), sample_rate


def embed_sounds(wanted: Iterable[tuple[Path, str]], n_seconds: float) -> dict[tuple[Path, str], str]:
    """Return the audio that fits into the page as Opus in base64, by (score folder, name).

    Args:
        wanted: The audio by (score folder, name), the most important first.
        n_seconds: Total length of the audio, which decides the bit rate.
    """
    bit_rate = FINE if n_seconds <= FINE_SECONDS else COMPACT
    sounds: dict[tuple[Path, str], str] = {}
    n_chars_left = MAX_AUDIO_CHARS
    for key, sound in _encode_in_order(list(dict.fromkeys(wanted)), bit_rate):
        n_chars_left -= len(sound)
        if n_chars_left < 0:
            break
        sounds[key] = sound
    return sounds


def _encode_in_order(keys: Sequence[tuple[Path, str]], bit_rate: int) -> Iterator[tuple[tuple[Path, str], str]]:
    """Encode a few at a time, so that what no longer fits is not encoded."""
    with ThreadPoolExecutor() as pool:  # the encoder releases Python's lock
        for begin in range(0, len(keys), 32):
            batch = keys[begin : begin + 32]
            yield from zip(batch, pool.map(lambda key: opus_base64(*read_audio(*key), bit_rate), batch), strict=True)


def opus_base64(waveform: np.ndarray, sample_rate: int, bit_rate: int) -> str:
    """Encode audio as Ogg Opus in base64. Equal audio gives equal bytes.

    FFmpeg does it, because libsndfile gives every Ogg stream a random serial number. FFmpeg's `bitexact` numbers
    streams from 0 and leaves its version out.

    Args:
        waveform: (n,) float32 mono in [-1, 1]. Silence fills it up to a tenth of a second.
        sample_rate: The waveform's sample rate in Hz.
        bit_rate: The result's bit rate in bits per second.
    """
    import av

    samples = np.clip(resample(waveform, sample_rate, OPUS_RATE), -1.0, 1.0)
    samples = np.pad(samples, (0, max(0, OPUS_RATE // 10 - len(samples))))
    frame = av.AudioFrame.from_ndarray(np.round(samples * 32767).astype(np.int16)[None], format="s16", layout="mono")
    frame.sample_rate = OPUS_RATE
    file = io.BytesIO()
    with av.open(file, "w", format="ogg", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libopus", rate=OPUS_RATE, options={"b": str(bit_rate)}, layout="mono")
        stream.codec_context.flags |= av.codec.context.Flags.bitexact
        for part in (frame, None):  # None flushes the encoder's buffer
            container.mux(stream.encode(part))
    return base64.b64encode(file.getvalue()).decode("ascii")


def spectrogram_db(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return the power spectrogram of mono audio.

    Args:
        waveform: (n,) in [-1, 1]. Audio shorter than one window is padded with silence to one column.
        sample_rate: The waveform's sample rate in Hz.

    Returns:
        (N_ROWS, n_columns) float64 in dB relative to full scale, with 0 Hz in row 0. A row is 62.5 Hz. A column is
        10 ms, or a multiple of it so that there are at most MAX_COLUMNS.
    """
    waveform = resample(waveform, sample_rate, SPECTROGRAM_RATE)
    waveform = np.pad(waveform, (0, max(0, N_FFT - len(waveform))))
    frames = np.lib.stride_tricks.sliding_window_view(waveform, N_FFT)[::HOP]  # (n_columns, N_FFT)
    window = np.hanning(N_FFT)
    power = np.abs(np.fft.rfft(frames * window)[:, : 2 * N_ROWS] / window.sum()) ** 2
    power = power.reshape(len(frames), N_ROWS, 2).mean(axis=2)
    squeeze = -(-len(power) // MAX_COLUMNS)
    power = np.add.reduceat(power, np.arange(0, len(power), squeeze), axis=0) / squeeze
    return 10 * np.log10(np.maximum(power.T, 1e-12))


def spectrogram_base64(waveform: np.ndarray, sample_rate: int) -> str:
    """Return the spectrogram as PNG in base64, low frequencies at the bottom, one pixel per column and row."""
    import matplotlib  # takes half a second, and only reports need it
    import matplotlib.image

    file = io.BytesIO()
    matplotlib.image.imsave(
        file,
        spectrogram_db(waveform, sample_rate),
        format="png",
        origin="lower",
        cmap=matplotlib.colormaps["magma"].resampled(N_SHADES),
        vmin=FLOOR_DB,
        vmax=TOP_DB,
        metadata={"Software": None},  # else the bytes would change with matplotlib's version
    )
    return base64.b64encode(file.getvalue()).decode("ascii")

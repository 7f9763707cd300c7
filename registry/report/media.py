"""Sound and pictures inside an HTML page: Opus and PNG as base64, equal bytes from equal audio."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from gpt_sovits.audio import AudioError, load_audio, resample, to_mono

OPUS_RATE = 48_000  # Hz: what Opus decodes to
# Bits per second. On clean speech 48,000 weigh 370 kB a minute and 24,000 weigh 180 kB; base64 adds a third
FINE, COMPACT = 48_000, 24_000
FINE_SECONDS = 900.0  # more audio than this in all is kept compact
MAX_AUDIO_CHARS = 12_000_000  # of base64: the page stays under 15 MB, which browsers open and mail servers carry

SPECTROGRAM_RATE = 16_000  # Hz: shows 0 to 8 kHz, where speech can be read
N_FFT = 512
HOP = 160  # 10 ms a column
N_ROWS = 128
MAX_COLUMNS = 1500  # a runaway of a minute is squeezed, or its picture alone would weigh a megabyte
FLOOR_DB, TOP_DB = -95.0, -25.0  # fixed, so that silence is dark in every picture
N_SHADES = 64  # more cannot be told apart, and cost a third of the bytes


def read_audio(folder: Path, name: str) -> tuple[np.ndarray, int]:
    """(n,) float32 in [-1, 1] and the sample rate of a score row's audio. ValueError: missing, broken, or outside."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"a score row names the audio {name!r}, which is not in its score folder")
    try:
        samples, sample_rate = load_audio(path)
    except AudioError as error:
        raise ValueError(f"audio of a score row: {error}; run the evaluate stage again") from error
    return to_mono(samples), sample_rate


def embed_sounds(wanted: Iterable[tuple[Path, str]], n_seconds: float) -> dict[tuple[Path, str], str]:
    """Opus in base64 of the audio that fits into the page, by (score folder, name); the first of `wanted` come first.

    n_seconds: how long all of it is, which decides the bit rate
    """
    bit_rate = FINE if n_seconds <= FINE_SECONDS else COMPACT
    sounds: dict[tuple[Path, str], str] = {}
    room = MAX_AUDIO_CHARS
    for key, sound in _encoded(dict.fromkeys(wanted), bit_rate):
        room -= len(sound)
        if room < 0:
            break
        sounds[key] = sound
    return sounds


def _encoded(wanted: Mapping[tuple[Path, str], None], bit_rate: int) -> Iterator[tuple[tuple[Path, str], str]]:
    """In their order; a few at a time, so that what no longer fits is not encoded."""
    keys = list(wanted)
    with ThreadPoolExecutor() as pool:  # the encoder leaves Python's lock
        for begin in range(0, len(keys), 32):
            some = keys[begin : begin + 32]
            yield from zip(some, pool.map(lambda key: opus_base64(*read_audio(*key), bit_rate), some), strict=True)


def opus_base64(waveform: np.ndarray, sample_rate: int, bit_rate: int) -> str:
    """(n,) float32 mono audio in [-1, 1] as Ogg Opus in base64; silence fills it up to a tenth of a second.

    Through FFmpeg and not libsndfile, which gives every Ogg stream a random serial number: equal audio must give equal
    bytes. FFmpeg's `bitexact` numbers streams from 0 and writes no version of its own.
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
        for one in (frame, None):  # None: the rest of the encoder's buffer
            container.mux(stream.encode(one))
    return base64.b64encode(file.getvalue()).decode("ascii")


def spectrogram_db(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    """Power spectrogram of (n,) mono audio in [-1, 1]: (N_ROWS, n_columns) float64, dB re full scale, 0 Hz in row 0.

    A row is 62.5 Hz, a column 10 ms or a multiple of it so that there are at most MAX_COLUMNS. Audio shorter than one
    window is padded with silence to one column.
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
    """The spectrogram as PNG in base64, low frequencies at the bottom, one pixel a column and a row."""
    import matplotlib  # half a second; only reports need it
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
        metadata={"Software": None},  # its version would change the bytes from one matplotlib to the next
    )
    return base64.b64encode(file.getvalue()).decode("ascii")

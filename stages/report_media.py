"""Sound and pictures that fit inside an HTML page: MP3 and PNG as data addresses, equal bytes from equal audio."""

from __future__ import annotations

import base64
import io

import numpy as np
import soundfile

from gpt_sovits.audio import resample

# MP3 and not Ogg: libsndfile gives every Ogg stream a random serial number, so equal audio would give other bytes.
# Measured on clean speech: 32 kHz at level 0.5 takes 61 kbit/s, 24 kHz at 0.7 takes 37 kbit/s.
FINE = (32_000, 0.5)  # (sample rate in Hz, libsndfile's compression level)
COMPACT = (24_000, 0.7)

SPECTROGRAM_RATE = 16_000  # Hz: shows 0 to 8 kHz, where speech can be read
N_FFT = 512
HOP = 160  # 10 ms a column
N_ROWS = 128
MAX_COLUMNS = 1500  # a runaway of a minute is squeezed, or its picture alone would weigh a megabyte
FLOOR_DB, TOP_DB = -95.0, -25.0  # fixed, so that silence is dark in every picture
N_SHADES = 64  # more cannot be told apart, and cost a third of the bytes


def mp3_address(waveform: np.ndarray, sample_rate: int, quality: tuple[int, float]) -> str:
    """A `data:` address with the audio as MP3. waveform: (n,) float32 in [-1, 1]; quality: FINE or COMPACT."""
    target_rate, level = quality
    file = io.BytesIO()
    soundfile.write(
        file,
        np.clip(resample(waveform, sample_rate, target_rate), -1.0, 1.0),
        target_rate,
        format="MP3",
        subtype="MPEG_LAYER_III",
        compression_level=level,
        bitrate_mode="VARIABLE",
    )
    return _address("audio/mpeg", file.getvalue())


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


def spectrogram_address(waveform: np.ndarray, sample_rate: int) -> str:
    """A `data:` address with the spectrogram as PNG, low frequencies at the bottom, one pixel a column and a row."""
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
    return _address("image/png", file.getvalue())


def _address(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"

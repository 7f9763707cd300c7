"""Two sounds for a blind listener that differ in nothing but the speech."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import pyloudnorm
import soundfile

from gpt_sovits.audio import load_audio, pcm16, resample, to_mono

SAMPLE_RATE = 32_000  # Hz, at which the voices speak. Different rates would tell the sides apart
LOUDNESS_LUFS = -23.0  # of EBU R 128. Both sides get it, because listeners prefer the louder one
MAX_PEAK_DBFS = -1.0
BLOCK_SECONDS = 0.4  # of ITU-R BS.1770. A shorter sound is one block


def blind_pair(first: Path, second: Path) -> tuple[bytes, bytes]:
    """Return two audio files as WAV of one format, loudness and length: mono, SAMPLE_RATE, 16 bits.

    The shorter one ends in silence. Both are brought to LOUDNESS_LUFS, or together to less where one of them would
    peak above MAX_PEAK_DBFS.

    Raises:
        AudioError: A file is not audio.
        ValueError: Nothing can be heard in a file.
    """
    waveforms = [_waveform(path) for path in (first, second)]
    gains = [LOUDNESS_LUFS - _loudness(path, wave) for path, wave in zip((first, second), waveforms, strict=True)]
    peaks = [20 * math.log10(float(np.abs(wave).max())) + gain for wave, gain in zip(waveforms, gains, strict=True)]
    excess_db = max(0.0, max(peaks) - MAX_PEAK_DBFS)
    n_samples = max(len(wave) for wave in waveforms)
    return tuple(
        _wav(np.pad(wave * 10 ** ((gain - excess_db) / 20), (0, n_samples - len(wave))))
        for wave, gain in zip(waveforms, gains, strict=True)
    )


def _waveform(path: Path) -> np.ndarray:
    samples, sample_rate = load_audio(path)
    return resample(to_mono(samples), sample_rate, SAMPLE_RATE).astype(np.float64)


def _loudness(path: Path, waveform: np.ndarray) -> float:
    """Return the integrated loudness in LUFS (ITU-R BS.1770-4)."""
    block = min(BLOCK_SECONDS, (len(waveform) - 1) / SAMPLE_RATE)
    loudness = pyloudnorm.Meter(SAMPLE_RATE, block_size=block).integrated_loudness(waveform) if block > 0 else -math.inf
    if not math.isfinite(loudness):
        raise ValueError(f"{path.name}: nothing can be heard in it; speech above -70 LUFS can be compared")
    return loudness


def _wav(waveform: np.ndarray) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, pcm16(waveform), SAMPLE_RATE, format="WAV", subtype="PCM_16")
    return file.getvalue()

"""What the samples of an utterance show without hearing words: level, silence, clipping, pitch, noise.

Levels are those of frames of 20 ms every 10 ms. "The speech's level" is their 95th percentile, so that pauses and
single plosives do not change it.
"""

from __future__ import annotations

import math
import os
import tempfile
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
from filelock import FileLock

from metrics.audio import checked_waveform, to_rate

SILENCE_DBFS = -120.0  # stands for digital silence, whose level is minus infinity; 16-bit audio ends near -98
FULL_SCALE = 127 / 128  # the largest positive sample of an 8-bit file
SAMPLE_RATE = 16_000  # for pitch and steadiness, about which sound above 8 kHz says little
FRAME_SECONDS, HOP_SECONDS = 0.02, 0.01
PAUSE_DB = -35.0  # relative to the speech's level: below are breath and room, but no vowels and few fricatives
FLOOR_PERCENTILE = 10
END_SECONDS = 0.03

PITCH_HZ = (60.0, 600.0)
PITCH_FRAME, PITCH_HOP = 1024, 320  # samples at SAMPLE_RATE: 64 ms hold four periods of the lowest voice
PITCH_RESOLUTION = 0.5  # semitones: five times as fast as librosa's 0.1, and fine enough for a range
PITCH_THRESHOLDS = (2.0, 5.0)  # beta distribution; with librosa's (2, 18) a small vocoder's rough voice is unvoiced
SWITCH_PROBABILITY = 0.05  # between voiced and unvoiced, per 20 ms frame: voices start and stop often
PITCH_PERCENTILES = (5, 95)  # so that octave errors in one frame in twenty change nothing

N_BANDS = 20
STEADY_SECONDS = 0.6  # longer than a small vocoder's longest vowels: in 8 of 300 utterances they lasted 0.4 s
STEADY_DB = -20.0  # relative to the speech's level: a quieter hiss is not a failure
BAND_RANGE_DB = 50.0  # below the loudest band: what is lower is not heard and does not count


class Sound(NamedTuple):
    """Figures of one utterance. They are rounded, so that the last bit of a sum does not change a table."""

    level_dbfs: float  # RMS level of the utterance; SILENCE_DBFS for silence
    clipped_share: float  # share of samples at full scale, 0 to 1
    silence_share: float  # share of frames below the speech's level + PAUSE_DB, 0 to 1; 1 for digital silence
    pitch_range_semitones: float | None  # 5th to 95th percentile of the pitch; None where no frame is voiced
    end_db: float  # level of the last END_SECONDS relative to the speech's; 0 is as loud
    floor_db: float  # level below which a tenth of the frames lie, relative to the speech's; 0: no pauses
    steadiest_db: float  # how much the bands vary in the steadiest STEADY_SECONDS; inf: no stretch is loud enough


def measure_sound(waveform: np.ndarray, sample_rate: int) -> Sound:
    """Measure an utterance. The same samples give the same figures on any number of threads or processes.

    Args:
        waveform: (n,) float32 in [-1, 1].
        sample_rate: in Hz.

    Raises:
        ValueError: the waveform has another shape, NaN or infinity.
    """
    waveform = checked_waveform(waveform, sample_rate)
    levels = _levels(waveform, sample_rate)
    speech = float(np.percentile(levels, 95))
    is_silent = speech <= SILENCE_DBFS
    at_16k = to_rate(waveform, sample_rate, SAMPLE_RATE)
    return Sound(
        level_dbfs=decibels(_rms(waveform)),
        clipped_share=clipped_share(waveform),
        silence_share=1.0 if is_silent else round(float((levels < speech + PAUSE_DB).mean()), 4),
        pitch_range_semitones=pitch_range_semitones(at_16k),
        end_db=round(decibels(_rms(waveform[-max(1, round(END_SECONDS * sample_rate)) :])) - speech, 2),
        floor_db=round(float(np.percentile(levels, FLOOR_PERCENTILE)) - speech, 2),
        steadiest_db=_steadiest_db(at_16k),
    )


def decibels(amplitude: float) -> float:
    """Return an amplitude in dB relative to full scale, to 0.01 dB, at least SILENCE_DBFS."""
    return round(max(SILENCE_DBFS, 20 * math.log10(max(amplitude, 1e-12))), 2)


def clipped_share(samples: np.ndarray) -> float:
    """Return the share of samples at full scale, 0 to 1, to six places. The samples have any shape, in [-1, 1]."""
    return round(float((np.abs(samples) >= FULL_SCALE).mean()), 6) if samples.size else 0.0


@cache
def compiled_librosa() -> ModuleType:
    """Import librosa and let it compile what this module uses.

    Only one process at a time compiles. Where two compile at once, they damage numba's cache on the disk, and from then
    on every process that reads it crashes.
    """
    with FileLock(Path(tempfile.gettempdir()) / f"voxfoundry-compile-{os.getuid()}.lock"):
        import librosa

        _pitch(librosa, np.sin(np.arange(4 * PITCH_FRAME, dtype=np.float32) / 10))
        librosa.filters.mel(sr=SAMPLE_RATE, n_fft=512, n_mels=N_BANDS, fmin=60)
    return librosa


def _pitch(librosa: ModuleType, waveform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (n_frames,) Hz, NaN where unvoiced, and (n_frames,) whether voiced."""
    pitch, is_voiced, _ = librosa.pyin(
        waveform,
        fmin=PITCH_HZ[0],
        fmax=PITCH_HZ[1],
        sr=SAMPLE_RATE,
        frame_length=PITCH_FRAME,
        hop_length=PITCH_HOP,
        resolution=PITCH_RESOLUTION,
        beta_parameters=PITCH_THRESHOLDS,
        switch_prob=SWITCH_PROBABILITY,
    )
    return pitch, is_voiced


def pitch_range_semitones(waveform: np.ndarray) -> float | None:
    """Return the range from the 5th to the 95th percentile of the pitch that pYIN finds.

    Args:
        waveform: (n,) float32 at SAMPLE_RATE.

    Returns:
        Semitones, or None where no frame is voiced. Read speech of adults has 5 to 15, and a monotone has 0.
    """
    if len(waveform) < PITCH_FRAME:
        return None
    pitch, is_voiced = _pitch(compiled_librosa(), waveform)
    if not is_voiced.any():
        return None
    low, high = np.percentile(pitch[is_voiced], PITCH_PERCENTILES)
    return round(12 * math.log2(high / low), 2)


def _rms(samples: np.ndarray) -> float:
    return math.sqrt(float(np.mean(np.square(samples, dtype=np.float64)))) if samples.size else 0.0


def _levels(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return (n_frames,) dB relative to full scale, of at least one frame."""
    frame, hop = (max(1, round(seconds * sample_rate)) for seconds in (FRAME_SECONDS, HOP_SECONDS))
    padded = np.pad(waveform, (0, max(0, frame - len(waveform))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, frame)[::hop]
    power = np.square(frames, dtype=np.float64).mean(axis=1)
    return np.maximum(10 * np.log10(np.maximum(power, 1e-24)), SILENCE_DBFS)


def _steadiest_db(waveform: np.ndarray) -> float:
    """Return the standard deviation over time of a mel band's level, in dB, in the steadiest loud stretch.

    It is the mean over the bands. Speech changes all the time, by 3 dB or more in every stretch. Noise, hum, a tone or
    a vowel that sticks do not: they stay below 2 dB, the chance variation of noise.

    waveform: (n,) float32 at SAMPLE_RATE.
    """
    n_frames = round(STEADY_SECONDS / HOP_SECONDS)
    n_fft, hop = 512, round(HOP_SECONDS * SAMPLE_RATE)
    if len(waveform) < n_fft + (n_frames - 1) * hop:
        return math.inf
    librosa = compiled_librosa()
    power = np.abs(librosa.stft(waveform, n_fft=n_fft, hop_length=hop, win_length=400, center=False)) ** 2
    bands = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=n_fft, n_mels=N_BANDS, fmin=60) @ power  # (N_BANDS, T)
    bands, levels = (10 * np.log10(np.maximum(x, 1e-10)) for x in (bands, power.sum(axis=0)))
    bands = np.maximum(bands, np.percentile(bands.max(axis=0), 95) - BAND_RANGE_DB)
    windows = np.lib.stride_tricks.sliding_window_view(bands, n_frames, axis=1)  # (N_BANDS, n_windows, n_frames)
    spread = windows.std(axis=2).mean(axis=0)
    quietest = np.lib.stride_tricks.sliding_window_view(levels, n_frames).min(axis=1)
    loud = quietest >= np.percentile(levels, 95) + STEADY_DB
    return round(float(spread[loud].min()), 2) if loud.any() else math.inf


if __name__ == "__main__":  # called when the environment is made, so that no run waits for it
    compiled_librosa()

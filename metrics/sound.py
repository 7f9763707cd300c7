"""What the samples of an utterance tell without anybody hearing words: level, silence, clipping, pitch, noise.

Levels are those of frames of 20 ms every 10 ms. "The speech's level" is the 95th percentile of them, so that pauses and
single plosives do not move it.
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

from metrics.judges.audio import checked_waveform, to_rate

SILENCE_DBFS = -120.0  # the level given to digital silence, whose own is minus infinity; 16 bit end near -98
FULL_SCALE = 127 / 128  # the largest positive sample of an 8-bit file
SAMPLE_RATE = 16_000  # at which pitch and steadiness are measured: what is above 8 kHz says little about either
FRAME_SECONDS, HOP_SECONDS = 0.02, 0.01
PAUSE_DB = -35.0  # below the speech's level: breath and room, no vowel and hardly a fricative
FLOOR_PERCENTILE = 10
END_SECONDS = 0.03

PITCH_HZ = (60.0, 600.0)
PITCH_FRAME, PITCH_HOP = 1024, 320  # samples at SAMPLE_RATE: 64 ms hold four periods of the lowest voice
PITCH_RESOLUTION = 0.5  # semitones: five times as fast as librosa's 0.1, and a range needs no more
PITCH_THRESHOLDS = (2.0, 5.0)  # beta distribution; librosa's (2, 18) takes the rough voice of a small vocoder for noise
SWITCH_PROBABILITY = 0.05  # between voiced and unvoiced, a frame of 20 ms: voices start and stop several times a second
PITCH_PERCENTILES = (5, 95)  # an octave error in one frame in twenty moves nothing

N_BANDS = 20
STEADY_SECONDS = 0.6  # longer than the vowels that a small vocoder draws out: of 300 utterances of one, 8 lasted 0.4 s
STEADY_DB = -20.0  # against the speech's level: a quieter hiss is no failure
BAND_RANGE_DB = 50.0  # of each band below the loudest: what is lower is not heard and does not count


class Sound(NamedTuple):
    """Figures of one utterance, rounded, so that the last bit of a sum changes no table."""

    level_dbfs: float  # RMS level of all of it; SILENCE_DBFS for silence
    clipped_share: float  # share of samples at full scale, 0 to 1
    silence_share: float  # share of frames that are PAUSE_DB or more below the speech, 0 to 1; 1 for digital silence
    pitch_range_semitones: float | None  # 5th to 95th percentile of the pitch; None where no frame is voiced
    end_db: float  # level of the last END_SECONDS against the speech's; 0 is as loud
    floor_db: float  # level that a tenth of the frames stay below, against the speech's; 0 is a sound without pauses
    steadiest_db: float  # how much the bands of the steadiest STEADY_SECONDS vary; inf where no stretch is loud enough


def measure_sound(waveform: np.ndarray, sample_rate: int) -> Sound:
    """Figures of (n,) float32 samples in [-1, 1] at sample_rate Hz. Raises ValueError for another shape, NaN, infinity.

    The same samples give the same figures, on any number of threads or processes.
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
    """Amplitude in dB relative to full scale, to 0.01 dB, at least SILENCE_DBFS."""
    return round(max(SILENCE_DBFS, 20 * math.log10(max(amplitude, 1e-12))), 2)


def clipped_share(samples: np.ndarray) -> float:
    """Share of samples at full scale, 0 to 1, to six places; 0 where there is none. samples: any shape, in [-1, 1]"""
    return round(float((np.abs(samples) >= FULL_SCALE).mean()), 6) if samples.size else 0.0


@cache
def compiled_librosa() -> ModuleType:
    """librosa with what it compiles at its first use. One process at a time: where two compile at once, they spoil
    numba's cache on the disk, and from then on every process that reads it crashes.
    """
    with FileLock(Path(tempfile.gettempdir()) / f"voxfoundry-compile-{os.getuid()}.lock"):
        import librosa

        _pitch(librosa, np.sin(np.arange(4 * PITCH_FRAME, dtype=np.float32) / 10))
        librosa.filters.mel(sr=SAMPLE_RATE, n_fft=512, n_mels=N_BANDS, fmin=60)
    return librosa


def _pitch(librosa: ModuleType, waveform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n_frames,) Hz, NaN where unvoiced, and whether voiced."""
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
    """From the 5th to the 95th percentile of the pitch that pYIN finds; None where it finds no voice.

    waveform: (n,) float32 at SAMPLE_RATE. Read speech of adults has 5 to 15; 0 is a monotone.
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
    """(n_frames,) dB relative to full scale; at least one frame."""
    frame, hop = (max(1, round(seconds * sample_rate)) for seconds in (FRAME_SECONDS, HOP_SECONDS))
    padded = np.pad(waveform, (0, max(0, frame - len(waveform))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, frame)[::hop]
    power = np.square(frames, dtype=np.float64).mean(axis=1)
    return np.maximum(10 * np.log10(np.maximum(power, 1e-24)), SILENCE_DBFS)


def _steadiest_db(waveform: np.ndarray) -> float:
    """Standard deviation over time of a mel band's level, mean of the bands, in the steadiest loud stretch, in dB.

    Speech changes all the time, by 3 dB and more in every stretch; noise, hum, a tone or a vowel that sticks do not:
    below 2 dB, the chance variation of noise. waveform: (n,) float32 at SAMPLE_RATE
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


if __name__ == "__main__":  # when the environment is made, so that no run waits for it
    compiled_librosa()

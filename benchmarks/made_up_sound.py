"""Speech in made-up conditions whose true figures are known: noise, rooms, bandwidth, music, other formats."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import scipy.signal
import soundfile
import soxr

from benchmarks.nonspeech import SAMPLE_RATE, chords, pink_noise, white_noise
from stages.recordings.sound.meter import SoundFigures, SoundMeter

BLOCK = 65_536
ACTIVE_RANGE_DB = 20.0  # below the loud moments of the clean speech: what counts as speech
FRAME = round(0.096 * SAMPLE_RATE)
DIRECT_GAP_SECONDS = 0.004  # from the direct sound to the first of the room

Generator = np.random.Generator


def measured(waveform: np.ndarray, sample_rate: int = SAMPLE_RATE) -> tuple[SoundFigures, np.ndarray]:
    """Return the figures and the fingerprint that ingest finds for (n,) float32."""
    meter = SoundMeter(sample_rate)
    for start in range(0, len(waveform), BLOCK):
        meter.add(waveform[start : start + BLOCK])
    return meter.finish()


def with_noise(speech: np.ndarray, kind: Callable, snr_db: float, random: Generator) -> np.ndarray:
    """Add noise below the level of speech, without its pauses, to (n,) float32 at SAMPLE_RATE.

    Args:
        speech: clean speech.
        kind: makes noise of a length, see benchmarks/nonspeech.py.
        snr_db: level of the active speech above the noise.
        random: for the noise.
    """
    frames = speech[: len(speech) // FRAME * FRAME].reshape(-1, FRAME)
    power = np.square(frames, dtype=np.float64).mean(axis=1)
    active = power[power > np.percentile(power, 95) * 10 ** (-ACTIVE_RANGE_DB / 10)].mean()
    noise = kind(len(speech), random)
    gain = np.sqrt(active / np.square(noise).mean()) * 10 ** (-snr_db / 20)
    return (speech + gain * noise).astype(np.float32)


def room_response(t60: float, direct_db: float, random: Generator) -> np.ndarray:
    """Return the response of a made-up room at SAMPLE_RATE: direct sound, then noise that falls by 60 dB in `t60`.

    Source: J.-D. Polack, "La transmission de l'énergie sonore dans les salles" (1988).

    Args:
        t60: in seconds.
        direct_db: energy of the direct sound relative to that of the room.
        random: for the noise.
    """
    times = np.arange(round(1.2 * t60 * SAMPLE_RATE)) / SAMPLE_RATE
    tail = random.normal(size=len(times)) * 10 ** (-3 * times / t60)
    tail *= 10 ** (-direct_db / 20) / np.sqrt(np.square(tail).sum())
    return np.concatenate([[1.0], np.zeros(round(DIRECT_GAP_SECONDS * SAMPLE_RATE)), tail])


def in_room(speech: np.ndarray, t60: float, direct_db: float, random: Generator) -> np.ndarray:
    """Return (n,) float32 speech as it sounds in a made-up room. See room_response."""
    heard = scipy.signal.fftconvolve(speech, room_response(t60, direct_db, random))[: len(speech)]
    return heard.astype(np.float32)


def with_music(speech: np.ndarray, snr_db: float, random: Generator) -> np.ndarray:
    """Return speech with chords behind it. See with_noise."""
    return with_noise(speech, chords, snr_db, random)


def encoded(waveform: np.ndarray, sample_rate: int, **options: str | float) -> tuple[np.ndarray, int]:
    """Return a waveform and its rate after it was written to a file in memory and read again."""
    buffer = io.BytesIO()
    soundfile.write(buffer, waveform, sample_rate, **options)
    buffer.seek(0)
    samples, rate = soundfile.read(buffer, dtype="float32")
    return samples, rate


def converted(waveform: np.ndarray, sample_rate: int, narrow_rate: int, to_rate: int) -> np.ndarray:
    """Return 16-bit speech that was once recorded at `narrow_rate` Hz and converted to `to_rate` Hz."""
    narrow = np.round(soxr.resample(waveform, sample_rate, narrow_rate) * 32767) / 32767
    wide = soxr.resample(narrow, narrow_rate, to_rate)
    return (np.round(wide * 32767) / 32767).astype(np.float32)


DISGUISES: dict[str, Callable[[np.ndarray, int, Generator], tuple[np.ndarray, int]]] = {
    "FLAC": lambda waveform, rate, random: encoded(waveform, rate, format="FLAC"),
    "MP3": lambda waveform, rate, random: encoded(waveform, rate, format="MP3", compression_level=0.9),
    "20 dB quieter": lambda waveform, rate, random: (np.round(3277 * waveform).astype(np.float32) / 32768, rate),
    "another rate": lambda waveform, rate, random: (soxr.resample(waveform, rate, 48_000), 48_000),
    "silence before": lambda waveform, rate, random: (
        np.concatenate([np.zeros(int(random.uniform(0.1, 1.0) * rate), np.float32), waveform]),
        rate,
    ),
    "trimmed": lambda waveform, rate, random: (
        waveform[int(random.uniform(0.02, 0.1) * len(waveform)) : -int(random.uniform(0.02, 0.1) * len(waveform))],
        rate,
    ),
}
NOISES: dict[str, Callable] = {"white noise": white_noise, "pink noise": pink_noise}

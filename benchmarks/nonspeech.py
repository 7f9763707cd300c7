"""Sounds without words, and the words that an ASR judge invents for them.

    python -m benchmarks.nonspeech                             # the judge faster-whisper-tiny.en
    python -m benchmarks.nonspeech --judge pocketsphinx

Every clip is made in code from its kind, its level and a seed, so a result can be repeated anywhere.
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Callable, Iterator
from itertools import product
from typing import NamedTuple

import numpy as np

from metrics.judges.asr import load_transcriber

SAMPLE_RATE = 16_000
LEVELS_DBFS = (-60, -50, -40, -30, -20, -10)
SECONDS = (2.0, 5.0)  # about the lengths of short and of ordinary prompts

Generator = np.random.Generator


class NonspeechClip(NamedTuple):
    """A sound without words.

    Attributes:
        name: the kind, the level and the length.
        waveform: (n,) float32 in [-1, 1] at SAMPLE_RATE.
    """

    name: str
    waveform: np.ndarray


def _coloured_noise(n: int, random: Generator, gain: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return noise whose amplitude spectrum is gain(frequencies in Hz)."""
    frequencies = np.fft.rfftfreq(n, 1 / SAMPLE_RATE)
    spectrum = np.fft.rfft(random.normal(size=n))
    return np.fft.irfft(spectrum * gain(np.maximum(frequencies, 20.0)), n)


def _syllables(n: int, random: Generator, per_second: float) -> np.ndarray:
    """Return an envelope in [0, 1] that rises and falls at an uneven rate."""
    rate = per_second * (1 + 0.3 * np.interp(np.arange(n), np.arange(0, n, 4000), random.normal(size=-(-n // 4000))))
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.cumsum(rate) / SAMPLE_RATE)) ** 2


def _speech_spectrum(frequencies: np.ndarray) -> np.ndarray:
    """Return the long-term amplitude spectrum of speech: flat to 500 Hz, then 9 dB per octave down."""
    return np.where(frequencies < 100, frequencies / 100, 1.0) * np.minimum(1.0, (frequencies / 500) ** -1.5)


def white_noise(n: int, random: Generator) -> np.ndarray:
    """Return noise of equal power at all frequencies."""
    return random.normal(size=n)


def pink_noise(n: int, random: Generator) -> np.ndarray:
    """Return noise that falls by 3 dB per octave."""
    return _coloured_noise(n, random, lambda frequencies: frequencies**-0.5)


def brown_noise(n: int, random: Generator) -> np.ndarray:
    """Return noise that falls by 6 dB per octave."""
    return _coloured_noise(n, random, lambda frequencies: frequencies**-1.0)


def _hum(n: int, random: Generator, mains: float) -> np.ndarray:
    times = np.arange(n) / SAMPLE_RATE
    harmonics = np.arange(1, 21)
    phases = random.uniform(0, 2 * np.pi, len(harmonics))
    waves = np.sin(2 * np.pi * mains * harmonics * times[:, None] + phases)
    return waves @ (harmonics**-1.2) + 0.01 * random.normal(size=n)


def hum_50(n: int, random: Generator) -> np.ndarray:
    """Return the hum of 50 Hz mains with 20 harmonics, and a little noise."""
    return _hum(n, random, 50.0)


def hum_60(n: int, random: Generator) -> np.ndarray:
    """Return the hum of 60 Hz mains with 20 harmonics, and a little noise."""
    return _hum(n, random, 60.0)


def _note(n: int, semitone: float) -> np.ndarray:
    """Return a plucked note with 8 harmonics, as many semitones above A at 110 Hz."""
    times = np.arange(n) / SAMPLE_RATE
    harmonics = np.arange(1, 9)
    waves = np.sin(2 * np.pi * 110.0 * 2 ** (semitone / 12) * harmonics * times[:, None])
    return waves @ (1.0 / harmonics) * np.exp(-2.0 * times) * np.minimum(1.0, times / 0.01)


def chords(n: int, random: Generator) -> np.ndarray:
    """Return major and minor triads, one every half second."""
    waveform, step = np.zeros(n), SAMPLE_RATE // 2
    for start in range(0, n, step):
        root, third = random.integers(0, 24), random.integers(3, 5)
        length = min(2 * step, n - start)
        for semitone in (root, root + third, root + 7):
            waveform[start : start + length] += _note(length, semitone)
    return waveform


def melody(n: int, random: Generator) -> np.ndarray:
    """Return single notes with vibrato in the range of a singing voice, four a second."""
    step = SAMPLE_RATE // 4
    pitch = np.repeat(random.choice([12, 14, 16, 17, 19, 21, 24], size=-(-n // step)), step)[:n]
    times = np.arange(n) / SAMPLE_RATE
    hertz = 110.0 * 2 ** ((pitch + 0.3 * np.sin(2 * np.pi * 5.5 * times)) / 12)
    phase = 2 * np.pi * np.cumsum(hertz) / SAMPLE_RATE
    attack = np.minimum(1.0, (np.arange(n) % step) / 800)
    return attack * sum(np.sin(harmonic * phase) / harmonic for harmonic in range(1, 7))


def breath(n: int, random: Generator) -> np.ndarray:
    """Return noise around 1.5 kHz that swells for a second and fades, like breathing in and out."""
    noise = _coloured_noise(n, random, lambda f: np.exp(-0.5 * (np.log2(f / 1500) / 1.2) ** 2))
    return noise * (0.02 + _syllables(n, random, per_second=0.6))


def speech_shaped_noise(n: int, random: Generator) -> np.ndarray:
    """Return steady noise with the long-term spectrum of speech."""
    return _coloured_noise(n, random, _speech_spectrum)


def syllabic_noise(n: int, random: Generator) -> np.ndarray:
    """Return noise with the spectrum of speech and the rhythm of four syllables per second."""
    return speech_shaped_noise(n, random) * (0.03 + _syllables(n, random, per_second=4.0))


KINDS: tuple[Callable[[int, Generator], np.ndarray], ...] = (
    white_noise,
    pink_noise,
    brown_noise,
    hum_50,
    hum_60,
    chords,
    melody,
    breath,
    speech_shaped_noise,
    syllabic_noise,
)


def nonspeech_clips(seed: int = 0) -> Iterator[NonspeechClip]:
    """Yield digital silence, then every kind at every level and length.

    Args:
        seed: another seed gives other noise, other chords and other breaths.
    """
    for seconds in SECONDS:
        yield NonspeechClip(f"silence {seconds:g} s", np.zeros(round(seconds * SAMPLE_RATE), np.float32))
    for kind, level, seconds in product(KINDS, LEVELS_DBFS, SECONDS):
        name = f"{kind.__name__} {level} dBFS {seconds:g} s"
        waveform = kind(round(seconds * SAMPLE_RATE), np.random.default_rng([seed, zlib.crc32(name.encode())]))
        waveform = waveform * (10 ** (level / 20) / np.sqrt(np.mean(waveform**2)))
        yield NonspeechClip(name, np.clip(waveform, -1.0, 1.0).astype(np.float32))


def main() -> None:
    """Print the clips for which a judge invents words, and how many there are."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.nonspeech", description="words invented for noise")
    parser.add_argument("--judge", default="faster-whisper-tiny.en", help="name of an ASR judge")
    parser.add_argument("--seed", type=int, default=0, help="seed of the clips")
    arguments = parser.parse_args()
    judge = load_transcriber(arguments.judge)
    clips = list(nonspeech_clips(arguments.seed))
    words = {clip.name: judge.transcribe(clip.waveform, SAMPLE_RATE, "en") for clip in clips}
    invented = {name: text for name, text in words.items() if text}
    for name, text in invented.items():
        print(f"{name}: {text}")
    print(f"{judge.name} {judge.version}: words for {len(invented)} of {len(clips)} clips without speech")


if __name__ == "__main__":
    main()

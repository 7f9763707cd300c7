"""Damage to recordings, each of which causes one named failure of speech.

A recording with the times of its words is cut and joined at word borders, so that nothing but the failure is wrong.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from metrics.forced_alignment import AlignedWord

UNDAMAGED = "none"
RATE = 16_000  # Hz at which everything is damaged and scored
N_LOOPS = 9
CLAUSE = 5  # words that are swallowed or repeated: the fewest that a listener calls a clause
MIN_WORDS = CLAUSE + 4  # two words before and two behind, by which the judge hears where the text goes on


@dataclass(frozen=True, eq=False)
class Speech:
    """A recording with its words.

    Attributes:
        speaker: name of the speaker's set, see benchmarks/failure_speeches.py.
        text: what is said.
        waveform: (n,) float32 at RATE.
        words: the words with their times, empty where they are unknown.
        pace: of the speaker, in seconds per word.
        other: stands for the reference clip, whose text must not leak into the speech.
    """

    speaker: str
    text: str
    waveform: np.ndarray
    words: tuple[AlignedWord, ...] = ()
    pace: float = 0.0
    other: Speech | None = None

    def between(self, start: float, end: float) -> np.ndarray:
        """Return the samples from `start` to `end` seconds."""
        return self.waveform[round(start * RATE) : round(end * RATE)]


Damage = Callable[[Speech, np.random.Generator], np.ndarray]


def _join(*parts: np.ndarray) -> np.ndarray:
    return np.concatenate([np.asarray(part, np.float32) for part in parts])


def _clause(speech: Speech, generator: np.random.Generator) -> tuple[int, int]:
    """Return the first and last word of CLAUSE words with two words before and two behind them."""
    first = int(generator.integers(2, len(speech.words) - CLAUSE - 1))
    return first, first + CLAUSE - 1


def _cut_end(share: float) -> Damage:
    return lambda speech, _: speech.waveform[: round((1 - share) * len(speech.waveform))]


def _cut_last_words(n: int) -> Damage:
    return lambda speech, _: speech.between(0, speech.words[-n].start)


def _cut_in_last_word(speech: Speech, _: np.random.Generator) -> np.ndarray:
    last = speech.words[-1]
    return speech.between(0, (last.start + last.end) / 2)


def _swallow_clause(speech: Speech, generator: np.random.Generator) -> np.ndarray:
    first, last = _clause(speech, generator)
    return _join(speech.between(0, speech.words[first].start), speech.waveform[round(speech.words[last].end * RATE) :])


def _repeat_clause(speech: Speech, generator: np.random.Generator) -> np.ndarray:
    first, last = _clause(speech, generator)
    end = speech.words[last].end
    return _join(speech.between(0, end), speech.waveform[round(speech.words[first].start * RATE) :])


def _repeat_all(speech: Speech, _: np.random.Generator) -> np.ndarray:
    return _join(speech.waveform, speech.waveform)


def _stutter(speech: Speech, generator: np.random.Generator) -> np.ndarray:
    word = speech.words[_clause(speech, generator)[0]]
    return _join(
        speech.between(0, word.end), np.tile(speech.between(word.start, word.end), 5), speech.between(word.end, 1e6)
    )


def _loop_end(speech: Speech, _: np.random.Generator) -> np.ndarray:
    return _join(speech.waveform, *[speech.between(speech.words[-3].start, speech.words[-1].end)] * N_LOOPS)


def _append_silence(speech: Speech, _: np.random.Generator) -> np.ndarray:
    return _join(speech.waveform, np.zeros(2 * len(speech.waveform)))


def _prepend_other_words(n_words: int) -> Damage:
    def damage(speech: Speech, _: np.random.Generator) -> np.ndarray:
        assert speech.other is not None
        return _join(speech.other.between(speech.other.words[-n_words].start, 1e6), speech.waveform)

    return damage


def _noise(n: int, level: float, generator: np.random.Generator) -> np.ndarray:
    return generator.normal(size=n) * level


def _add_noise_at_snr(snr_db: float) -> Damage:
    def damage(speech: Speech, generator: np.random.Generator) -> np.ndarray:
        level = float(speech.waveform.std()) * 10 ** (-snr_db / 20)
        return np.clip(speech.waveform + _noise(len(speech.waveform), level, generator), -1, 1).astype(np.float32)

    return damage


def _insert_burst(make: Callable[[np.ndarray, np.random.Generator], np.ndarray]) -> Damage:
    """Insert 0.8 s of a sound as loud as the speech between two words.

    `make` returns the sound: (n,) seconds to (n,) samples with an RMS of 1.
    """

    def damage(speech: Speech, generator: np.random.Generator) -> np.ndarray:
        cut = round(speech.words[_clause(speech, generator)[0]].start * RATE)
        sound = make(np.arange(round(0.8 * RATE)) / RATE, generator) * float(speech.waveform.std())
        return _join(speech.waveform[:cut], np.clip(sound, -1, 1), speech.waveform[cut:])

    return damage


def _replace_with_noise(speech: Speech, generator: np.random.Generator) -> np.ndarray:
    return np.clip(_noise(len(speech.waveform), float(speech.waveform.std()), generator), -1, 1).astype(np.float32)


def apply_damage(name: str, speech: Speech) -> np.ndarray:
    """Return (n,) float32 at RATE. Equal speech gives equal samples, whatever was damaged before."""
    seed = [zlib.crc32(text.encode()) for text in (name, speech.text)]
    return DAMAGES[name][1](speech, np.random.default_rng(seed))


# damage: (the failure that it causes, the function that does it)
DAMAGES: dict[str, tuple[str, Damage]] = {
    "silence": ("empty", lambda speech, _: np.zeros_like(speech.waveform)),
    "last 20 % of the time gone": ("cut_off", _cut_end(0.2)),
    "last 50 % of the time gone": ("cut_off", _cut_end(0.5)),
    "last 3 words gone": ("cut_off", _cut_last_words(3)),
    "ends in the middle of the last word": ("cut_off", _cut_in_last_word),
    f"{CLAUSE} words gone": ("swallowed_clause", _swallow_clause),
    f"{CLAUSE} words twice": ("repeated_clause", _repeat_clause),
    "the whole text twice": ("repeated_clause", _repeat_all),
    "a word six times": ("repeated_clause", _stutter),
    f"last 3 words {N_LOOPS + 1} times": ("runaway", _loop_end),
    "two thirds silence": ("runaway", _append_silence),
    "5 words of another recording first": ("leaked_prompt", _prepend_other_words(5)),
    "8 words of another recording first": ("leaked_prompt", _prepend_other_words(8)),
    "white noise, 6 dB SNR": ("noise", _add_noise_at_snr(6)),
    "white noise, 10 dB SNR": ("noise", _add_noise_at_snr(10)),
    "0.8 s of white noise": ("noise", _insert_burst(lambda t, generator: _noise(len(t), 1.0, generator))),
    "0.8 s of 100 Hz hum": ("noise", _insert_burst(lambda t, _: np.sign(np.sin(2 * np.pi * 100 * t)))),
    "0.8 s of a 1 kHz tone": ("noise", _insert_burst(lambda t, _: np.sqrt(2) * np.sin(2 * np.pi * 1000 * t))),
    "noise alone": ("noise", _replace_with_noise),
}

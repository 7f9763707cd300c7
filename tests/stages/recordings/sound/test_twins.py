"""Recordings that hold the same sound are found in any disguise, and other sounds are not."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.recordings.sound.fingerprint import FingerprintMeter
from stages.recordings.sound.spectra import NarrowReader
from stages.recordings.sound.twins import find_twins

RATE = 22050


def babble(seconds: float, seed: int, sample_rate: int = RATE) -> np.ndarray:
    """Noise whose spectrum changes every 80 ms, as that of speech does."""
    random = np.random.default_rng(seed)
    n_steps = round(seconds / 0.08)
    steps = [
        np.convolve(random.normal(size=round(0.08 * sample_rate)), random.normal(size=24), "same")
        * random.uniform(0.1, 1.0)
        for _ in range(n_steps)
    ]
    joined = np.concatenate(steps)
    return (0.5 * joined / np.abs(joined).max()).astype(np.float32)


def fingerprint(samples: np.ndarray, sample_rate: int = RATE, block: int = 20_000) -> np.ndarray:
    reader, meter = NarrowReader(sample_rate), FingerprintMeter()
    for start in range(0, len(samples), block):
        meter.add(reader.read(samples[start : start + block]))
    meter.add(reader.read(np.zeros(0, np.float32), last=True))
    return meter.result()


def encoded(samples: np.ndarray, **options: str | float) -> tuple[np.ndarray, int]:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, RATE, **options)
    buffer.seek(0)
    return soundfile.read(buffer, dtype="float32")


DISGUISES: dict[str, Callable[[np.ndarray], tuple[np.ndarray, int]]] = {
    "flac": lambda samples: encoded(samples, format="FLAC"),
    "mp3": lambda samples: encoded(samples, format="MP3"),
    "another gain": lambda samples: (np.round(samples * 3000).astype(np.float32) / 32768, RATE),
    "another rate": lambda samples: (soxr.resample(samples, RATE, 48000), 48000),
    "shifted": lambda samples: (np.concatenate([np.zeros(round(0.517 * RATE), np.float32), samples]), RATE),
    "trimmed": lambda samples: (samples[round(0.403 * RATE) : -round(0.3 * RATE)], RATE),
}


@pytest.mark.parametrize("disguise", DISGUISES)
def test_the_same_sound_is_found_in_disguise(disguise: str) -> None:
    samples = babble(5.0, seed=1)
    other = fingerprint(*DISGUISES[disguise](samples))
    found = find_twins([fingerprint(babble(5.0, seed=2)), fingerprint(samples), other])
    assert [(one.first, one.second) for one in found] == [(1, 2)]
    assert min(found[0].first_share, found[0].second_share) > 0.8
    expected = {"shifted": -0.517, "trimmed": 0.403}.get(disguise, 0.0)
    assert found[0].offset * 0.016 == pytest.approx(expected, abs=0.04)


def test_a_part_of_a_recording_is_found_with_its_place() -> None:
    long = babble(20.0, seed=3)
    (found,) = find_twins([fingerprint(long), fingerprint(long[6 * RATE : 9 * RATE])])
    assert found.second_share > 0.9
    assert found.first_share == pytest.approx(0.13, abs=0.03)
    assert found.offset * 0.016 == pytest.approx(6.0, abs=0.04)


def test_other_sounds_are_not_twins() -> None:
    assert find_twins([fingerprint(babble(4.0, seed=seed)) for seed in range(10, 40)]) == []


@pytest.mark.parametrize("samples", [np.zeros(0, np.float32), np.zeros(3 * RATE, np.float32)])
def test_silence_has_no_twin(samples: np.ndarray) -> None:
    assert not fingerprint(samples).any()
    assert find_twins([fingerprint(samples)] * 3) == []


@settings(max_examples=15, deadline=None)
@given(block=st.integers(1000, 60_000), seed=st.integers(0, 99))
def test_a_fingerprint_does_not_depend_on_the_blocks(block: int, seed: int) -> None:
    samples = babble(2.0, seed)
    assert np.array_equal(fingerprint(samples, block=block), fingerprint(samples, block=len(samples)))

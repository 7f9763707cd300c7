"""A melody is measured: a voice that glides, one that holds its pitch, and a whisper."""

from __future__ import annotations

import math

import numpy as np
import pytest

from starter.melody import SAMPLE_RATE, melody_scores, pitch_of


def sung(hertz: np.ndarray) -> np.ndarray:
    """Return a voice with ten overtones at a pitch for each sample."""
    phase = 2 * np.pi * np.cumsum(hertz) / SAMPLE_RATE
    return sum(np.sin(k * phase) / k for k in range(1, 11)) * 0.1


def whispered(seconds: float) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(round(seconds * SAMPLE_RATE)) * 0.1


HELD = sung(np.full(SAMPLE_RATE, 150.0))
GLIDING = sung(150.0 * 2 ** (np.linspace(-6, 6, SAMPLE_RATE) / 12))


def test_the_pitch_of_a_voice_is_heard_and_a_whisper_has_none():
    assert np.nanmedian(pitch_of(HELD)) == pytest.approx(12 * math.log2(150 / 60), abs=0.2)
    assert np.isnan(pitch_of(whispered(1.0))).mean() > 0.9


def test_a_voice_that_glides_moves_more_than_one_that_holds_its_pitch():
    assert melody_scores([HELD], [HELD]) == {"voiced": 1.0, "semitones": pytest.approx(0.0, abs=0.2)}
    assert melody_scores([GLIDING], [HELD])["semitones"] == pytest.approx(12 / math.sqrt(12), abs=0.4)


def test_speech_that_lost_its_voice_is_told_from_its_recording():
    assert melody_scores([whispered(1.0)], [HELD])["voiced"] < 0.1
    half = np.concatenate([HELD, whispered(1.0)])
    assert melody_scores([half], [HELD])["voiced"] == pytest.approx(0.5, abs=0.1)
    silent = melody_scores([np.zeros(SAMPLE_RATE)], [np.zeros(SAMPLE_RATE)])
    assert all(math.isnan(value) for value in silent.values())

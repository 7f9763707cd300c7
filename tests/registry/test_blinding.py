"""What a listener may not know: sides are a fair coin, and the sounds differ in the speech alone."""

from __future__ import annotations

import io

import numpy as np
import pyloudnorm
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt_sovits.audio import AudioError, save_flac
from registry.blinding import LOUDNESS_LUFS, MAX_PEAK_DBFS, SAMPLE_RATE, blind_pair, candidate_side, next_key, trial_id

KEYS = st.sets(st.tuples(st.text(min_size=1), st.integers(0, 5)), min_size=1, max_size=20)


def noise(seconds: float, peak: float, rate: int = SAMPLE_RATE, seed: int = 0) -> np.ndarray:
    wave = np.random.default_rng(seed).standard_normal(round(seconds * rate))
    return (peak * wave / np.abs(wave).max()).astype(np.float32)


def pair_of(tmp_path, first: np.ndarray, second: np.ndarray, rates=(SAMPLE_RATE, SAMPLE_RATE)):
    paths = []
    for name, wave, rate in zip(("first", "second"), (first, second), rates, strict=True):
        paths.append(tmp_path / f"{name}.flac")
        save_flac(paths[-1], wave, rate)
    return blind_pair(*paths)


def test_the_side_is_a_fair_coin_over_trials_listeners_prompts_and_salts():
    sides = [candidate_side(f"salt{i % 7}", f"l{i % 5}", (f"p{i % 11}", i % 3), i) for i in range(4000)]
    assert abs(sides.count("a") / 4000 - 0.5) < 0.04  # 5 standard deviations


def test_the_side_depends_on_the_salt_so_that_a_listener_cannot_work_it_out():
    differ = [
        candidate_side("one", "anna", ("p", 0), n) != candidate_side("two", "anna", ("p", 0), n) for n in range(400)
    ]
    assert 120 < sum(differ) < 280


@given(KEYS, st.text(), st.text(), st.integers(0, 100))
def test_draws_come_back_equal_and_next_key_is_one_of_the_keys_however_they_are_ordered(keys, salt, listener, n):
    drawn = next_key(salt, listener, keys, n)
    assert drawn in keys
    assert drawn == next_key(salt, listener, sorted(keys, reverse=True), n)
    assert candidate_side(salt, listener, drawn, n) == candidate_side(salt, listener, drawn, n)
    assert len(trial_id(salt, listener, drawn, n)) == 64


def test_every_utterance_is_drawn_once_and_then_none():
    keys = {(f"p{i}", seed) for i in range(5) for seed in range(2)}
    left, order = set(keys), []
    while (key := next_key("salt", "anna", left, len(order))) is not None:
        order.append(key)
        left.remove(key)
    assert sorted(order) == sorted(keys) and order != sorted(keys)


def test_the_first_utterance_is_any_of_them_with_the_same_chance():
    keys = [(f"p{i}", 0) for i in range(4)]
    first = [next_key(f"salt {n}", "anna", keys, 0) for n in range(2000)]
    assert all(abs(first.count(key) / 2000 - 0.25) < 0.05 for key in keys)


@settings(max_examples=15, deadline=None)
@given(st.floats(0.01, 1.0), st.floats(0.01, 1.0), st.floats(0.05, 3.0), st.floats(0.05, 3.0))
def test_both_sounds_have_one_format_length_and_loudness(tmp_path_factory, peak, other_peak, seconds, other_seconds):
    folder = tmp_path_factory.mktemp("pair")
    first, second = pair_of(
        folder, noise(seconds, peak), noise(other_seconds, other_peak, 24_000), (SAMPLE_RATE, 24_000)
    )
    assert len(first) == len(second)
    assert first[:44] == second[:44]  # the whole header of a WAV file
    waves = [soundfile.read(io.BytesIO(content))[0] for content in (first, second)]
    levels = []
    for wave, length in zip(waves, (seconds, other_seconds), strict=True):
        meter = pyloudnorm.Meter(SAMPLE_RATE, block_size=min(0.4, length * 0.99))
        levels.append(meter.integrated_loudness(wave[: round(length * SAMPLE_RATE)]))
        assert np.abs(wave).max() <= 10 ** (MAX_PEAK_DBFS / 20) + 1e-3
    assert levels[0] == pytest.approx(levels[1], abs=0.5)
    assert max(levels) <= LOUDNESS_LUFS + 0.5


def test_the_shorter_sound_ends_in_silence_and_begins_as_it_did(tmp_path):
    first, second = pair_of(tmp_path, noise(1.0, 0.1), noise(2.0, 0.1))
    waves = [soundfile.read(io.BytesIO(content))[0] for content in (first, second)]
    assert not waves[0][SAMPLE_RATE:].any() and waves[0][:100].any()
    assert waves[1][SAMPLE_RATE:].any()


def test_a_sound_with_a_sharp_peak_lowers_both(tmp_path):
    spiky = noise(1.0, 0.01)
    spiky[1000] = 1.0
    first, second = pair_of(tmp_path, spiky, noise(1.0, 0.5))
    levels = [
        pyloudnorm.Meter(SAMPLE_RATE).integrated_loudness(soundfile.read(io.BytesIO(content))[0])
        for content in (first, second)
    ]
    assert levels[0] == pytest.approx(levels[1], abs=0.1)
    assert max(levels) < LOUDNESS_LUFS - 1


def test_silence_and_what_is_no_audio_are_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match=r"second\.flac: nothing can be heard"):
        pair_of(tmp_path, noise(1.0, 0.1), np.zeros(SAMPLE_RATE, np.float32))
    with pytest.raises(ValueError, match=r"first\.flac: nothing can be heard"):
        pair_of(tmp_path, np.array([0.1], np.float32), noise(1.0, 0.1))
    (tmp_path / "broken.flac").write_text("no audio")
    with pytest.raises(AudioError, match=r"broken\.flac"):
        blind_pair(tmp_path / "broken.flac", tmp_path / "first.flac")

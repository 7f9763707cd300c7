"""Tokens: which phoneme each one says, speeds, and statistics."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from starter.phones import NUMBER_OF, SILENCE
from starter.settings import load_settings
from starter.store import Utterance
from starter.tokens import (
    align_phonemes,
    change_speed,
    sample_utterances,
    speed_ratio,
    speed_ratios,
    token_statistics,
    tokenize,
)
from starter.voices import PEOPLE


def test_places_follow_the_phones_in_time():
    phonemes = ["HH", "AH0", "L", "OW1", "."]
    phones = [(SILENCE, 0.08), ("hh", 0.12), ("ah", 0.2), ("l", 0.24), ("ow", 0.36), (SILENCE, 0.44)]
    found = align_phonemes(phonemes, phones, 11)
    assert found == [0, 0, 0, 1, 1, 2, 3, 3, 3, 4, 4]
    assert all(type(place) is int for place in found)  # they go to JSON


def test_places_bridge_phones_that_only_one_transcription_has():
    phonemes = ["T", "UW1", "D", "AY1"]
    phones = [("t", 0.04), ("y", 0.08), ("uw", 0.12), ("ay", 0.16)]  # a glide more, a d less
    found = align_phonemes(phonemes, phones, 4)
    assert found[0] == 0
    assert found[2:] == [1, 3]
    assert found == sorted(found)


@pytest.mark.parametrize("seed", range(5))
def test_places_are_in_ascending_order(seed):
    random = np.random.default_rng(seed)
    names = [name for name in NUMBER_OF if name != SILENCE]
    phonemes = [names[i].upper() for i in random.integers(0, len(names), 20)]
    labels = [names[i] for i in random.integers(0, len(names), 25)]
    phones = [(name, 0.08 * (i + 1)) for i, name in enumerate(labels)]
    found = align_phonemes(phonemes, phones, 50)
    assert found == sorted(found)
    assert found[0] >= 0
    assert found[-1] < len(phonemes)


def test_half_of_the_utterances_keep_their_speed():
    ratios = [speed_ratio(f"slt_{i:05d}", 1.2) for i in range(400)]
    assert 0.4 < np.mean([ratio == 1.0 for ratio in ratios]) < 0.6
    assert min(ratios) >= 1 / 1.2
    assert max(ratios) <= 1.2
    assert speed_ratio("slt_00000", 1.2) == ratios[0]


def test_several_copies_are_the_speech_itself_and_other_speeds():
    assert speed_ratios("slt_00000", 1.2, 1) == [speed_ratio("slt_00000", 1.2)]
    ratios = speed_ratios("26-1", 1.2, 4)
    assert ratios[0] == 1.0 and len(set(ratios)) == 4
    assert min(ratios) >= 1 / 1.2 and max(ratios) <= 1.2
    assert speed_ratios("26-1", 1.2, 4) == ratios != speed_ratios("26-2", 1.2, 4)


def test_a_faster_utterance_ends_sooner_and_so_do_its_phones():
    one = Utterance("one", "slt", "", np.zeros(16000, np.int16), [("aa", 0.5), (SILENCE, 1.0)])
    faster = change_speed(one, 1.25)
    assert len(faster.waveform) == pytest.approx(12800, abs=2)
    assert faster.phones == [("aa", 0.4), (SILENCE, 0.8)]
    assert change_speed(one, 1.0) is one


def test_tokens_equal_to_the_phones_predict_them_and_tell_nothing_of_the_voice():
    centres = torch.eye(4)
    labels = [np.array([0, 1, 2, 3] * 5)] * 2
    figures = token_statistics([centres[label] for label in labels], labels, [0, 1], centres)
    assert figures["token_to_phone_error"] == 0
    assert figures["bits_beyond_the_phone"] == pytest.approx(0)
    assert figures["voice_entropy_left_bits"] == pytest.approx(figures["voice_entropy_bits"]) == pytest.approx(1)


def test_the_sample_of_the_codebook_has_each_kind_for_its_share_of_the_minutes():
    settings = load_settings().tokens.model_copy(update={"sampled_minutes": 4.0})
    corpora = {
        name: [Utterance(f"{name}_{i}", name, "", np.zeros(seconds * 16000, np.int16), []) for i in range(400)]
        for name, seconds in (("mix_00", 4), ("mix_01", 4), ("slt", 2), (PEOPLE, 12))
    }
    seconds = dict.fromkeys(corpora, 0.0)
    for name, one in sample_utterances(corpora, settings):
        seconds[name] += one.seconds
    assert seconds["mix_00"] + seconds["mix_01"] == pytest.approx(120, abs=4)
    assert min(seconds["mix_00"], seconds["mix_01"]) > 30
    assert seconds[PEOPLE] == pytest.approx(84, abs=12)
    assert seconds["slt"] == pytest.approx(36, abs=2)


def test_rows_hold_the_corpus_and_the_speaker(monkeypatch):
    monkeypatch.setattr(
        "starter.tokens.token_features", lambda encoder, waveform: torch.eye(4)[torch.tensor([0, 3, 1])]
    )
    one = Utterance("61-7-0003", "61", "Hi.", np.zeros(1920, np.int16), [("hh", 0.04), ("ay", 0.12)])
    (row,) = tokenize(PEOPLE, None, torch.eye(4), [one], [1.0])
    assert (row["voice"], row["speaker"], row["ratio"]) == (PEOPLE, "61", 1.0)
    assert row["tokens"] == [0, 3, 1]
    assert row["places"] == [0, 1, 1]


def test_long_sentences_are_aligned_at_once():
    random = np.random.default_rng(0)
    names = [name for name in NUMBER_OF if name != SILENCE]
    symbols = [names[i].upper() for i in random.integers(0, len(names), 200)]
    phones = [(symbol.lower(), 0.08 * (i + 1)) for i, symbol in enumerate(symbols)]
    assert align_phonemes(symbols, phones, 400) == list(np.repeat(np.arange(200), 2))

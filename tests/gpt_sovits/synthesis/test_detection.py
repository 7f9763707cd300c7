"""Outcomes of sentences by their tokens and their sound, and batches of similar length."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_sovits.synthesis.batching import MIN_LENGTH_RATIO, length_buckets
from gpt_sovits.synthesis.detection import detect_outcome, has_loop

SOUND = np.full(1000, 0.1, np.float32)


def random_tokens(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 1024, n)


@pytest.mark.parametrize(
    ("tokens", "ended", "waveform", "outcome"),
    [
        (random_tokens(100), True, SOUND, "spoken"),
        (random_tokens(50), True, SOUND, "spoken"),
        (random_tokens(49), True, SOUND, "cut_off"),
        (random_tokens(212), True, SOUND, "spoken"),  # twice the expected length and half a second
        (random_tokens(213), True, SOUND, "runaway"),
        (random_tokens(100), False, SOUND, "runaway"),
        (np.tile(random_tokens(20), 5), False, SOUND, "looped"),
        (np.concatenate((random_tokens(60), np.full(60, 486))), True, SOUND, "looped"),
        (random_tokens(100), True, np.zeros(1000, np.float32), "empty"),
        (random_tokens(100), True, SOUND * 0.001, "empty"),
        (random_tokens(100), True, np.full(10, np.nan, np.float32), "empty"),
        (random_tokens(0), True, SOUND, "empty"),
        (random_tokens(100), True, SOUND[:0], "empty"),
    ],
)
def test_outcome_is_named(tokens, ended, waveform, outcome):
    assert detect_outcome(tokens, ended, 100.0, waveform) == outcome


@pytest.mark.parametrize(("n_unread", "outcome"), [(3, "spoken"), (4, "skipped")])
def test_words_that_were_not_read_are_skipped(n_unread, outcome):
    assert detect_outcome(random_tokens(100), True, 100.0, SOUND, n_unread) == outcome
    assert detect_outcome(random_tokens(49), True, 100.0, SOUND, n_unread) == "cut_off"


def test_a_pause_of_a_second_and_a_repeated_word_are_not_a_loop():
    assert not has_loop(np.concatenate((random_tokens(40), np.full(25, 486), random_tokens(40, 1))))
    assert not has_loop(np.concatenate((random_tokens(30), random_tokens(30), random_tokens(40, 1))))
    assert not has_loop(np.tile(random_tokens(4), 12))  # 48 tokens: below two seconds
    assert has_loop(np.tile(random_tokens(4), 13))


@given(period=st.integers(1, 100), rounds=st.integers(3, 6), before=st.integers(0, 80), after=st.integers(0, 80))
def test_a_loop_is_found_at_any_position(period, rounds, before, after):
    loop = np.tile(np.arange(period), rounds)
    tokens = np.concatenate((10_000 + np.arange(before), loop, 20_000 + np.arange(after)))
    assert has_loop(tokens) == (len(loop) >= 50)


@given(st.integers(0, 600))
def test_tokens_that_never_repeat_are_not_a_loop(n):
    assert not has_loop(np.arange(n))


@given(lengths=st.lists(st.integers(1, 500), max_size=40), batch_size=st.integers(1, 9))
def test_batches_hold_every_sentence_once_and_similar_lengths(lengths, batch_size):
    batches = length_buckets(lengths, batch_size)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) <= batch_size
        assert min(lengths[i] for i in batch) >= MIN_LENGTH_RATIO * max(lengths[i] for i in batch)


def test_a_batch_size_of_zero_is_refused():
    with pytest.raises(ValueError, match="batch_size must be at least 1, not 0"):
        length_buckets([1], 0)

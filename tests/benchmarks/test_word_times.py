"""The benchmark of word times: its exact borders, and that a perfect aligner has no error."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from benchmarks.word_times import MAX_SECONDS, PAUSES, Sentence, border_errors, join_sentences, row, trimmed
from metrics.forced_alignment import AlignedWord

RATE = 16_000
SENTENCES = [Sentence(["one", "two"], np.full(RATE * n, 0.1, np.float32), RATE) for n in (5, 8, 9, 12)]


def test_sentences_are_joined_into_windows_with_known_pauses() -> None:
    joined = list(join_sentences(SENTENCES))
    assert sum(len(item.borders) for item in joined) == len(SENTENCES)
    for item in joined:
        assert len(item.waveform) / RATE <= MAX_SECONDS + PAUSES[1]
        for _, _, start, end in item.borders:
            inside = item.waveform[round(start * RATE) : round(end * RATE)]
            assert (inside == np.float32(0.1)).all()
            assert item.waveform[round(start * RATE) - 1] == 0
            assert item.waveform[round(end * RATE)] == 0


def test_an_aligner_that_is_late_by_a_tenth_has_that_error() -> None:
    joined = list(join_sentences(SENTENCES))
    answers = iter(joined)

    def late(waveform: np.ndarray, sample_rate: int, words: Sequence[str]) -> list[AlignedWord]:
        times = [time for _, _, *border in next(answers).borders for time in border]
        return [AlignedWord(word, time + 0.1, time + 0.1) for word, time in zip(words, times, strict=True)]

    errors = border_errors(joined, late)
    assert errors == pytest.approx(np.full((2, len(SENTENCES)), 0.1))
    assert row("late", errors) == "| late | +0.100 | 0.100 | 0.100 | 0.0% |"


def test_silence_around_a_sentence_is_cut() -> None:
    waveform = np.concatenate([np.zeros(RATE), np.full(RATE, 0.5), np.zeros(RATE)]).astype(np.float32)
    assert len(trimmed(waveform, RATE)) == RATE

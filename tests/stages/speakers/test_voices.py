"""Other speakers are told from the voice by their embeddings, however they are mixed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.speakers.voices import FULL_SECONDS, find_speakers, speaker_limit

N_DIMENSIONS = 64
LIMIT = 0.62


def clips_of(direction: int, n_clips: int, seed: int = 0, spread: float = 0.06) -> np.ndarray:
    """Embeddings of one speaker, whose cosines to their centre are about 0.9."""
    random = np.random.default_rng([seed, direction])
    centre = np.eye(N_DIMENSIONS)[direction]
    noisy = centre + spread * random.normal(size=(n_clips, N_DIMENSIONS))
    return (noisy / np.linalg.norm(noisy, axis=1, keepdims=True)).astype(np.float32)


def labels_of(embeddings: np.ndarray, seconds: float = 5.0) -> list[int]:
    return find_speakers(embeddings, [seconds] * len(embeddings), LIMIT).labels.tolist()


@pytest.mark.parametrize("n_others", [1, 5, 10, 22])
def test_the_clips_of_another_speaker_are_found_and_none_of_the_voice(n_others: int) -> None:
    assert labels_of(np.concatenate([clips_of(0, 24), clips_of(1, n_others)])) == [0] * 24 + [1] * n_others


def test_several_speakers_are_numbered_by_their_clips() -> None:
    parts = [clips_of(3, 2), clips_of(0, 20), clips_of(1, 4), clips_of(2, 9)]
    assert labels_of(np.concatenate(parts)) == [3] * 2 + [0] * 20 + [2] * 4 + [1] * 9


def test_many_strangers_with_one_clip_each_are_others() -> None:
    strangers = [clips_of(direction, 1) for direction in range(1, 40)]
    labels = labels_of(np.concatenate([clips_of(0, 45), *strangers]))
    assert labels[:45] == [0] * 45
    assert min(labels[45:]) > 0


def test_where_nobody_else_speaks_the_centre_is_the_mean_of_all() -> None:
    embeddings = clips_of(0, 30)
    found = find_speakers(embeddings, [5.0] * 30, LIMIT)
    mean = embeddings.mean(axis=0, dtype=np.float64)
    assert found.labels.tolist() == [0] * 30
    assert found.similarities == pytest.approx(embeddings @ mean / np.linalg.norm(mean), abs=1e-3)


def test_a_single_clip_is_the_voice() -> None:
    found = find_speakers(clips_of(0, 1), [0.5], LIMIT)
    assert found.labels.tolist() == [0]
    assert found.similarities == pytest.approx([1.0])


def test_a_short_clip_has_a_lower_limit() -> None:
    assert speaker_limit(FULL_SECONDS, LIMIT) == speaker_limit(20.0, LIMIT) == LIMIT
    assert speaker_limit(1.0, LIMIT) == pytest.approx(0.28)
    noisy = clips_of(0, 1, seed=5, spread=0.16)
    assert labels_of(np.concatenate([clips_of(0, 20), noisy]), seconds=1.5) == [0] * 21


@settings(max_examples=40, deadline=None)
@given(order=st.permutations(range(30)), n_others=st.integers(0, 13))
def test_the_labels_do_not_depend_on_the_order(order: list[int], n_others: int) -> None:
    embeddings = np.concatenate([clips_of(0, 30 - n_others), clips_of(1, n_others)])
    assert labels_of(embeddings[order]) == [int(index >= 30 - n_others) for index in order]

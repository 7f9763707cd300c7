"""The measurement behind the cosine at which the gate tells two speakers apart."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.same_speaker import centroid, describe, halves


def clips_of(speaker: int, n: int = 10, spread: float = 0.3) -> np.ndarray:
    """Return (n, 8) unit embeddings around the speaker's own axis."""
    clips = np.eye(8)[speaker] + spread * np.random.default_rng(speaker).normal(size=(n, 8))
    return clips / np.linalg.norm(clips, axis=1, keepdims=True)


def test_halves_of_one_speaker_are_closer_than_two_speakers():
    first, second = clips_of(0), clips_of(1)
    assert min(halves(first, first)) > 0.7 > centroid(first) @ centroid(second)
    assert np.linalg.norm(centroid(first)) == pytest.approx(1)


def test_no_clip_is_in_both_halves():
    """Clips at right angles have nothing in common, so that a shared one would show."""
    assert halves(np.eye(8), np.eye(8)) == pytest.approx([0.0] * 50)


def test_line_gives_extremes_and_percentiles():
    assert describe("x", [0.0, 0.5, 1.0]) == (
        "x: n 3, least 0.000, 5 % 0.050, median 0.500, 95 % 0.950, greatest 1.000"
    )

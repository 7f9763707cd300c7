"""Which clips are of the voice and which of other speakers, from their speaker embeddings. Pure.

The centre of a voice must not move towards strangers. So it is sought by the steps of P. Rousseeuw and K. Van Driessen,
"Computing LTS Regression for Large Data Sets", Data Mining and Knowledge Discovery 12 (2006): take a centre, keep the
nearest clips, take their centre. A third of the clips is enough for it, so that it finds one speaker where two speak
equally often. The time is linear in the number of clips.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

MAX_STEPS = 20  # it converges in three to six
N_STARTS = 8  # clips from which a centre is sought, besides the mean of all, which may lie between two speakers
FULL_SECONDS = 3.0  # of longer clips, the embedding does not get better
SHORT_SLOPE = 0.17  # by which the limit falls per second that a clip is shorter, see benchmarks/data_measures.py
MAX_SPEAKERS = 20  # told apart; the last group takes everybody else


class Speakers(NamedTuple):
    """Whose clips they are.

    Attributes:
        similarities: (n_clips,) cosine of each clip to the centre of the voice.
        labels: (n_clips,) 0 for the voice, and 1, 2, ... for others, those with the most clips first.
    """

    similarities: np.ndarray
    labels: np.ndarray


def speaker_limit(seconds: float | np.ndarray, min_similarity: float) -> float | np.ndarray:
    """Return the cosine to the centre of a voice below which a clip is of another speaker.

    A short clip says less about its speaker, so its limit is lower.

    Args:
        seconds: length of the clip.
        min_similarity: the limit for clips of at least FULL_SECONDS.
    """
    return min_similarity - SHORT_SLOPE * np.maximum(0.0, FULL_SECONDS - np.asarray(seconds))


def find_speakers(embeddings: np.ndarray, seconds: Sequence[float], min_similarity: float) -> Speakers:
    """Tell the clips of the voice from those of other speakers, and these from each other.

    The voice is the speaker with the most clips. Its centre is the mean of its clips, which is the mean of all clips
    where nobody else speaks.

    Args:
        embeddings: (n, D) of unit norm, at least one.
        seconds: length of each clip.
        min_similarity: see speaker_limit.
    """
    embeddings = embeddings.astype(np.float64)
    limits = speaker_limit(np.asarray(seconds), min_similarity)
    groups: list[np.ndarray] = []
    rest = np.arange(len(embeddings))
    while len(rest):
        is_last = len(groups) == MAX_SPEAKERS
        members = rest if is_last else rest[_clips_of_one_speaker(embeddings[rest], limits[rest])]
        groups.append(members)
        rest = np.setdiff1d(rest, members)
    groups.sort(key=lambda one: (-len(one), one[0]))
    labels = np.zeros(len(embeddings), int)
    for label, members in enumerate(groups):
        labels[members] = label
    similarities = embeddings @ _unit(embeddings[groups[0]].mean(axis=0))
    return Speakers(np.round(np.clip(similarities, -1, 1), 4), labels)


def dense_centre(embeddings: np.ndarray) -> np.ndarray:
    """Return the (D,) unit-norm centre of the third of (n, D) unit-norm embeddings that lie closest together."""
    starts = embeddings[np.unique(np.linspace(0, len(embeddings) - 1, N_STARTS).round().astype(int))]
    found = [_settled_centre(embeddings, start) for start in (_unit(embeddings.mean(axis=0)), *starts)]
    return max(found, key=lambda pair: round(pair[0], 6))[1]


def _settled_centre(embeddings: np.ndarray, centre: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the mean cosine of the nearest third to its centre, and that centre."""
    n_near = len(embeddings) // 3 + 1
    near = np.zeros(0, int)
    for _ in range(MAX_STEPS):
        nearest = np.sort(np.argsort(-(embeddings @ centre), kind="stable")[:n_near])
        if np.array_equal(nearest, near):
            break
        near = nearest
        centre = _unit(embeddings[near].mean(axis=0))
    return float((embeddings[near] @ centre).mean()), centre


def _clips_of_one_speaker(embeddings: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Return the positions of the clips around the dense centre, or around the first clip where none is."""
    for centre in (dense_centre(embeddings), embeddings[0]):
        is_close = np.zeros(len(embeddings), bool)
        for _ in range(MAX_STEPS):
            closer = embeddings @ centre >= limits
            if not closer.any() or np.array_equal(closer, is_close):
                break
            is_close = closer
            centre = _unit(embeddings[is_close].mean(axis=0))
        if is_close.any():
            return np.flatnonzero(is_close)
    return np.zeros(1, int)


def _unit(vector: np.ndarray) -> np.ndarray:
    norm = float(np.linalg.norm(vector))
    return vector / norm if norm > 0 else vector

"""Verification figures: pairs of embeddings, distributions of cosines, equal error rate."""

from dataclasses import dataclass

import numpy as np

PERCENTILES = (1, 5, 25, 50, 75, 95, 99)


@dataclass(frozen=True)
class Trials:
    """Cosines of pairs, each (n,) float."""

    same: np.ndarray  # of clips of one speaker
    different: np.ndarray  # of clips of different speakers


def all_pairs(embeddings: np.ndarray, speakers: list[str]) -> Trials:
    """Return the cosines of every unordered pair of clips.

    Args:
        embeddings: (n, D) of unit norm.
        speakers: who says each of them.
    """
    if len(embeddings) != len(speakers):
        raise ValueError(
            f"{len(embeddings)} embeddings but {len(speakers)} speaker names; there must be one name per clip"
        )
    cosines = embeddings @ embeddings.T
    first, second = np.triu_indices(len(speakers), k=1)
    names = np.array(speakers)
    is_same = names[first] == names[second]
    values = cosines[first, second]
    return Trials(same=values[is_same], different=values[~is_same])


def equal_error_rate(trials: Trials) -> tuple[float, float]:
    """Find where false accepts and false rejects are equally frequent.

    Between two thresholds, the mean of the two rates is returned, so ties do not improve the rate.

    Returns:
        The rate (0 to 1) and the cosine threshold.

    Raises:
        ValueError: there are no pairs of the same speaker or of different speakers.
    """
    if not len(trials.same) or not len(trials.different):
        raise ValueError(
            f"{len(trials.same)} same-speaker and {len(trials.different)} different-speaker pairs; "
            "an equal error rate needs at least one of each"
        )
    thresholds = np.unique(np.concatenate([trials.same, trials.different]))
    rejects = np.searchsorted(np.sort(trials.same), thresholds, side="left") / len(trials.same)
    accepts = 1 - np.searchsorted(np.sort(trials.different), thresholds, side="left") / len(trials.different)
    best = int(np.argmin(np.abs(rejects - accepts)))
    return float((rejects[best] + accepts[best]) / 2), float(thresholds[best])


def percentiles(cosines: np.ndarray) -> dict[str, float]:
    """Return named percentiles ("p50"), rounded to 4 places for a stable results file. Empty for no pairs."""
    if not len(cosines):
        return {}
    values = np.percentile(cosines, PERCENTILES)
    return {f"p{p}": round(float(v), 4) for p, v in zip(PERCENTILES, values, strict=True)}


def cross_pairs(reader: np.ndarray, others: np.ndarray) -> Trials:
    """Pair one speaker's clips (n, D) with each other, and with clips (m, D) of other speakers."""
    first, second = np.triu_indices(len(reader), k=1)
    return Trials(same=(reader @ reader.T)[first, second], different=(reader @ others.T).ravel())


def centroid_trials(embeddings: np.ndarray, speakers: list[str]) -> Trials:
    """Compare each clip with the centroid of its speaker's other clips, and with every other speaker's centroid.

    A speaker needs at least two clips. A centroid is the mean of unit embeddings, scaled to unit norm.
    """
    names = np.array(speakers)
    same, different = [], []
    for index, name in enumerate(speakers):
        for other in sorted(set(speakers)):
            members = (names == other) & (np.arange(len(names)) != index)
            centroid = embeddings[members].mean(axis=0)
            value = float(embeddings[index] @ centroid / np.linalg.norm(centroid))
            (same if other == name else different).append(value)
    return Trials(same=np.array(same), different=np.array(different))


def crossed_pairs(first: np.ndarray, second: np.ndarray, speakers: list[str]) -> Trials:
    """Pair each clip in one recording with every other clip in another recording.

    Args:
        first: (n, D) unit embeddings of the clips in one recording, for example damaged.
        second: (n, D) of the same clips in the other recording, for example clean.
        speakers: who says each clip.
    """
    names = np.array(speakers)
    other_clip = ~np.eye(len(names), dtype=bool)
    is_same = names[:, None] == names[None, :]
    cosines = first @ second.T
    return Trials(same=cosines[is_same & other_clip], different=cosines[~is_same])

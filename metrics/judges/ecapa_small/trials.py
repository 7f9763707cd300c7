"""Verification figures: pairs of embeddings, cosine distributions, equal error rate."""

from dataclasses import dataclass

import numpy as np

PERCENTILES = (1, 5, 25, 50, 75, 95, 99)


@dataclass(frozen=True)
class Trials:
    """Cosines of every unordered pair: same speaker and different speakers, each (n,) float."""

    same: np.ndarray
    different: np.ndarray


def all_pairs(embeddings: np.ndarray, speakers: list[str]) -> Trials:
    """Every unordered pair of clips. embeddings: (n, D) unit norm, row i spoken by speakers[i]."""
    if len(embeddings) != len(speakers):
        raise ValueError(f"{len(embeddings)} embeddings but {len(speakers)} speaker names; there must be one a clip")
    cosines = embeddings @ embeddings.T
    first, second = np.triu_indices(len(speakers), k=1)
    names = np.array(speakers)
    is_same = names[first] == names[second]
    values = cosines[first, second]
    return Trials(same=values[is_same], different=values[~is_same])


def equal_error_rate(trials: Trials) -> tuple[float, float]:
    """(rate in 0..1, the cosine threshold there): where false accepts and false rejects are equally frequent.

    Between two thresholds the mean of the two rates is given, so ties cannot flatter.
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
    """Named percentiles ("p50"), rounded to 4 places for a stable results file; empty for no pair."""
    if not len(cosines):
        return {}
    values = np.percentile(cosines, PERCENTILES)
    return {f"p{p}": round(float(v), 4) for p, v in zip(PERCENTILES, values, strict=True)}


def cross_pairs(reader: np.ndarray, others: np.ndarray) -> Trials:
    """One speaker's clips (n, D) among themselves, and each of them against clips (m, D) of other speakers."""
    first, second = np.triu_indices(len(reader), k=1)
    return Trials(same=(reader @ reader.T)[first, second], different=(reader @ others.T).ravel())


def centroid_trials(embeddings: np.ndarray, speakers: list[str]) -> Trials:
    """Each clip against the centroid of its speaker's other clips (same), and against every other speaker's centroid.

    A speaker needs at least two clips. The centroid is the mean of unit embeddings, made of unit norm again.
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

"""How many more prompts, or more seeds of the same prompts, would decide what is unclear.

The loss varies between prompts and, within a prompt, between seeds. Its variance is
(between + within / n_seeds) / n_prompts, so more seeds reduce the second part only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from registry.gate.noninferiority import CAUTION
from registry.gate.tables import ScoreTable

POWER = 0.8  # how often the advice decides, if the true loss is the one that was measured
MAX_FACTOR = (
    10  # times the prompts or seeds there are: beyond it the loss lies at the margin, and nobody scores so many
)


@dataclass(frozen=True)
class LossVariances:
    """Variances of one metric's loss, in the metric's unit squared."""

    n_prompts: int
    n_seeds: int
    between: float  # of the prompts; with one seed, of prompts and seeds together
    within: float  # of the seeds of a prompt; 0 with one seed, which shows nothing about it


def loss_variances(candidate: ScoreTable, champion: ScoreTable, *, metric: str) -> LossVariances:
    """Return the variances of the pooled loss, from what each utterance adds to it (the ratio's linear part).

    Args:
        candidate: Scores of the candidate.
        champion: Scores of the champion, on the same prompts and seeds.
        metric: The metric whose loss it is.
    """
    of_candidate, weights = candidate.summands(metric)
    losses = of_candidate - champion.summands(metric)[0]  # (n_prompts, n_seeds); the sign does not matter here
    n_prompts, n_seeds = losses.shape
    parts = (losses - weights * losses.sum() / weights.sum()) * (weights.size / weights.sum())
    of_prompts = float(np.var(parts.mean(axis=1), ddof=1))
    within = float(np.var(parts, axis=1, ddof=1).mean()) if n_seeds > 1 else 0.0
    return LossVariances(n_prompts, n_seeds, max(0.0, of_prompts - within / n_seeds), within)


def extra_samples(gap: float, seen: LossVariances, *, level: float) -> tuple[int | None, int | None]:
    """Return how many more prompts, and how many more seeds instead, tell a loss from its margin.

    None stands for more than MAX_FACTOR times what there is. For seeds it also stands for one seed, which shows nothing
    about others, and for prompts that differ too much for any number of seeds.

    Args:
        gap: Distance of the loss from its margin, in the metric's unit.
        seen: The variances with the prompts and seeds there are.
        level: Of the test.
    """
    wanted = (gap / float(ndtri(1 - CAUTION * level) + ndtri(POWER))) ** 2  # variance of the loss
    if wanted == 0:
        return None, None
    prompts = (seen.between + seen.within / seen.n_seeds) / wanted
    rest = wanted * seen.n_prompts - seen.between
    seeds = seen.within / rest if rest > 0 and seen.within > 0 else math.inf
    return _extra(prompts, seen.n_prompts), _extra(seeds, seen.n_seeds)


def _extra(needed: float, existing: int) -> int | None:
    return max(1, math.ceil(needed) - existing) if needed <= MAX_FACTOR * existing else None

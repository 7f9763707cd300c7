"""How many more prompts, or more seeds of the same prompts, would decide what is unclear.

The loss varies between prompts and, inside a prompt, between seeds: its variance is
(between + within / n_seeds) / n_prompts. More seeds take away the second part only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from registry.gate.noninferiority import CAUTION
from registry.gate.tables import ScoreTable

POWER = 0.8  # how often the advice decides, if the loss is in truth what it seems to be
MOST = 10  # times the prompts or seeds there are; beyond it the loss lies at the margin, and nobody scores so many


@dataclass(frozen=True)
class Variances:
    """Of one metric's loss, in the metric's unit squared."""

    n_prompts: int
    n_seeds: int
    between: float  # of the prompts; with one seed, of prompts and seeds together
    within: float  # of the seeds of a prompt; 0 with one seed, which tells nothing of it


def variances(metric: str, candidate: ScoreTable, champion: ScoreTable) -> Variances:
    """The variances of the pooled loss, from what each utterance adds to it (the ratio's linear part)."""
    ours, weights = candidate.parts(metric)
    losses = ours - champion.parts(metric)[0]  # (n_prompts, n_seeds); the sign does not matter here
    n_prompts, n_seeds = losses.shape
    parts = (losses - weights * losses.sum() / weights.sum()) * (weights.size / weights.sum())
    of_prompts = float(np.var(parts.mean(axis=1), ddof=1))
    within = float(np.var(parts, axis=1, ddof=1).mean()) if n_seeds > 1 else 0.0
    return Variances(n_prompts, n_seeds, max(0.0, of_prompts - within / n_seeds), within)


def more_needed(gap: float, seen: Variances, level: float) -> tuple[int | None, int | None]:
    """How many more prompts, and how many more seeds instead, tell a loss `gap` away from its margin at `level`.

    None: not by so much as MOST times what there is; for seeds also where there is one, or where prompts differ by
    themselves too much for any number of seeds.
    """
    wanted = (gap / float(ndtri(1 - CAUTION * level) + ndtri(POWER))) ** 2  # variance of the loss
    if wanted == 0:
        return None, None
    prompts = (seen.between + seen.within / seen.n_seeds) / wanted
    rest = wanted * seen.n_prompts - seen.between
    seeds = seen.within / rest if rest > 0 and seen.within > 0 else math.inf
    return _more(prompts, seen.n_prompts), _more(seeds, seen.n_seeds)


def _more(needed: float, there_are: int) -> int | None:
    return max(1, math.ceil(needed) - there_are) if needed <= MOST * there_are else None

"""The guard of single sentences: an average forgives a sentence that can no longer be said, its listeners do not.

A prompt is lost where the champion says it and the candidate does not, whatever the seed:

- the champion says it: no named failure, and at most SAID of its words wrong, in every seed;
- the candidate does not: a named failure, or at least LOST of its words wrong, in every seed;
- or, whatever the champion's words: nothing is heard of the candidate in any seed, of the champion in all.

Between the two lies a gap, and every seed must agree, because one draw of a voice that errs often proves nothing:
benchmarks/gate_oc/RESULTS.md has how often two equal voices lose a prompt to each other.
"""

from __future__ import annotations

import numpy as np

from registry.gate.policy import RegressedPrompts
from registry.gate.tables import ScoreTable
from registry.verdicts.verdict import RegressedPromptsCheck

SAID = 0.2
LOST = 2 / 3


def check_regressed_prompts(
    rule: RegressedPrompts, candidate: ScoreTable, champion: ScoreTable
) -> RegressedPromptsCheck:
    """Whether more prompts are lost than the policy allows; with too few seeds that is unclear, not broken.

    Silence needs no number of seeds: no voice that speaks is silent by chance.
    """
    silent = candidate.silent.all(axis=1) & ~champion.silent.any(axis=1)  # (n_prompts,)
    said = (~champion.failed & (champion.word_errors <= SAID * champion.n_words)).all(axis=1)
    lost = silent | said & (candidate.failed | (candidate.word_errors >= LOST * candidate.n_words)).all(axis=1)
    if lost.sum() <= rule.at_most:
        outcome = "holds"
    elif silent.sum() > rule.at_most or candidate.failed.shape[1] >= rule.min_seeds:
        outcome = "broken"
    else:
        outcome = "unclear"
    return RegressedPromptsCheck(
        lost=_ids(candidate, lost),
        silent=_ids(candidate, silent),
        at_most=rule.at_most,
        min_seeds=rule.min_seeds,
        reason=rule.reason,
        outcome=outcome,
    )


def _ids(scores: ScoreTable, prompts: np.ndarray) -> tuple[str, ...]:
    return tuple(scores.prompt_ids[index] for index in np.flatnonzero(prompts))

"""Find prompts that the champion says and the candidate does not.

An average forgives a sentence that can no longer be said, and its listeners do not. A prompt has regressed where

- the champion says it (with every seed no named failure, and at most SAID_WER of its words wrong) and the candidate
  does not (with every seed a named failure, or at least UNSAID_WER of its words wrong),
- or, whatever words the champion gets wrong, the candidate is silent with every seed and the champion with none.

There is a gap between the two rates and every seed must agree, because one draw of a voice with many errors proves
nothing: benchmarks/gate_oc/RESULTS.md shows how often two equal voices seem to lose a prompt to each other.
"""

from __future__ import annotations

import numpy as np

from registry.gate.decision import RegressedPromptsCheck
from registry.gate.policy import RegressedPrompts
from registry.gate.tables import ScoreTable

SAID_WER = 0.2
UNSAID_WER = 2 / 3


def check_regressed_prompts(
    candidate: ScoreTable, champion: ScoreTable, *, rule: RegressedPrompts
) -> RegressedPromptsCheck:
    """Check whether more prompts regressed than the policy allows.

    With too few seeds that is unclear. Silence needs no number of seeds: no voice that speaks is silent by chance.

    Args:
        candidate: Scores of the candidate.
        champion: Scores of the champion, on the same prompts and seeds.
        rule: How many prompts may regress, and how many seeds prove it.
    """
    silent = candidate.silent.all(axis=1) & ~champion.silent.any(axis=1)  # (n_prompts,)
    said = (~champion.failed & (champion.word_errors <= SAID_WER * champion.n_words)).all(axis=1)
    unsaid = (candidate.failed | (candidate.word_errors >= UNSAID_WER * candidate.n_words)).all(axis=1)
    regressed = silent | said & unsaid
    n_seeds = candidate.failed.shape[1]
    if regressed.sum() <= rule.at_most:
        outcome = "met"
    elif silent.sum() > rule.at_most or n_seeds >= rule.min_seeds:
        outcome = "missed"
    else:
        outcome = "unclear"
    return RegressedPromptsCheck(
        regressed=_prompt_ids(candidate, regressed),
        silent=_prompt_ids(candidate, silent),
        at_most=rule.at_most,
        min_seeds=rule.min_seeds,
        reason=rule.reason,
        outcome=outcome,
    )


def _prompt_ids(scores: ScoreTable, prompts: np.ndarray) -> tuple[str, ...]:
    return tuple(scores.prompt_ids[index] for index in np.flatnonzero(prompts))

"""Which checkpoint pair speaks best, and how much of its adaptation is kept. Pure.

The pair is chosen by successive halving over the fixed prompts. Many pairs are scored on few prompts, the better half
of them on twice as many, and so on, until one is left (Jamieson and Talwalkar, "Non-stochastic best arm identification
and hyperparameter optimization", 2016). What a pair said in one rung counts in the next.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from metrics.prompts import Prompt, selection_subset
from metrics.scores import UtteranceScore, pooled
from stages.tables import CheckpointPairRow

RULE = (
    "Only pairs that sound like the speaker are considered: their speaker similarity may lie below that of the most "
    "similar pair by evaluate.similarity_tolerance at most. Among these, the pair with the fewest failed utterances is "
    "chosen, then the one with the lowest word error rate, then the earliest epochs. If its word error rate is above "
    "that of the base before adaptation, its SoVITS weights are interpolated with those of the base until it is not. A "
    "pair whose similarity reaches evaluate.min_similarity_ratio of the recordings' keeps at least that similarity."
)
MIN_RUNG_PROMPTS = 4  # with fewer, a rung would be a lottery

Epochs = tuple[int, int]  # of the GPT, of the SoVITS
ScorePair = Callable[[Epochs, Sequence[Prompt]], Sequence[UtteranceScore]]


def choose_pair(
    pairs: Sequence[Epochs],
    prompts: Sequence[Prompt],
    n_prompts: int,
    similarity_tolerance: float,
    score_pair: ScorePair,
) -> tuple[Epochs, list[CheckpointPairRow]]:
    """Choose the best pair by RULE.

    Args:
        pairs: at least one.
        prompts: all of the set. A rung takes a part of them that is spread over the categories.
        n_prompts: number of prompts on which the last two pairs are compared. The rungs before have half of it, a
            quarter, and so on.
        similarity_tolerance: cosine, at least 0.
        score_pair: returns the rows of a pair on prompts that it has not said yet.

    Returns:
        The best pair, and one row for every pair in every rung that it took part in.
    """
    remaining, table, scores = sorted(set(pairs)), [], {pair: [] for pair in pairs}
    for rung, n in enumerate(rung_sizes(len(remaining), n_prompts), start=1):
        # 1. Score every remaining pair on the prompts of this rung that it has not said yet.
        subset = selection_subset(prompts, min(n, len(prompts)))
        for pair in remaining:
            said = {row.prompt_id for row in scores[pair]}
            scores[pair] += score_pair(pair, [prompt for prompt in subset if prompt.id not in said])
        # 2. Keep the better half for the next rung.
        rows = [pair_row(pair, rung, scores[pair]) for pair in remaining]
        ranked = rank_pairs(rows, similarity_tolerance)
        remaining = [_epochs(row) for row in ranked[: math.ceil(len(ranked) / 2)]]
        table += [row.model_copy(update={"kept": _epochs(row) in remaining}) for row in rows]
    return remaining[0], table


def rung_sizes(n_pairs: int, n_prompts: int) -> list[int]:
    """Return the number of prompts in each rung.

    There are as many rungs as it takes to leave one pair by halving, and the last has `n_prompts`.
    """
    n_rungs = max(1, math.ceil(math.log2(n_pairs)))
    return [max(min(MIN_RUNG_PROMPTS, n_prompts), n_prompts >> halvings) for halvings in reversed(range(n_rungs))]


def rank_pairs(rows: Sequence[CheckpointPairRow], similarity_tolerance: float) -> list[CheckpointPairRow]:
    """Sort the rows of one rung by RULE, the best first.

    A pair whose similarity could not be measured does not sound like the speaker.
    """
    measured = [row.similarity for row in rows if row.similarity is not None]
    min_similarity = max(measured, default=-math.inf) - similarity_tolerance

    def rank(row: CheckpointPairRow) -> tuple[float, ...]:
        return (not _has_similarity(row, min_similarity), row.failed_share, row.wer, row.gpt_epoch, row.sovits_epoch)

    return sorted(rows, key=rank)


def choose_interpolation_weight(
    before: CheckpointPairRow,
    best: CheckpointPairRow,
    weights: Sequence[float],
    min_similarity: float,
    score_weight: Callable[[float], Sequence[UtteranceScore]],
) -> tuple[float, list[CheckpointPairRow]]:
    """Choose how much of the adapted SoVITS is kept, so that adaptation does not raise the word error rate.

    Weights are tried in order until one has no higher word error rate than the base. If none has, the one with the
    lowest rate is chosen, of equals the largest. A pair that has `min_similarity` keeps it: weights below it are not
    chosen, and no smaller one is tried.

    Args:
        before: the row of the base models before adaptation.
        best: the row of the chosen pair, with the whole adaptation.
        weights: weights of the adapted SoVITS to try, in (0, 1), the largest first.
        min_similarity: cosine that a pair which sounds like the speaker has at least. NaN: no pair does.
        score_weight: returns the rows of the pair with a weight, on the prompts of `before` and `best`.

    Returns:
        The weight (1 where the adaptation is kept whole), and one row for every weight that was tried.
    """
    keeps_similarity = _has_similarity(best, min_similarity)
    rows: list[CheckpointPairRow] = []
    for weight in weights:
        if min(row.wer for row in (best, *rows)) <= before.wer:
            break
        if keeps_similarity and not all(_has_similarity(row, min_similarity) for row in rows):
            break
        row = pair_row(_epochs(best), best.rung, score_weight(weight))
        rows.append(row.model_copy(update={"interpolation_weight": weight}))
    allowed = [row for row in (best, *rows) if _has_similarity(row, min_similarity) or not keeps_similarity]
    chosen = min(allowed, key=lambda row: (row.wer, -row.interpolation_weight))
    return chosen.interpolation_weight, [row.model_copy(update={"kept": row is chosen}) for row in rows]


def pair_row(pair: Epochs, rung: int, rows: Sequence[UtteranceScore]) -> CheckpointPairRow:
    """Pool the utterances of a pair into a row of the table of pairs."""
    figures = {name: None if math.isnan(value) else value for name, value in pooled(rows).items()}
    return CheckpointPairRow(
        rung=rung, n_prompts=len(rows), gpt_epoch=pair[0], sovits_epoch=pair[1], kept=False, **figures
    )


def _epochs(row: CheckpointPairRow) -> Epochs:
    return row.gpt_epoch, row.sovits_epoch


def _has_similarity(row: CheckpointPairRow, min_similarity: float) -> bool:
    return row.similarity is not None and row.similarity >= min_similarity

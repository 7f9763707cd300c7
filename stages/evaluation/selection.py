"""Which checkpoint pair speaks best: successive halving over the fixed prompts, coarse to fine.

Many pairs are scored on few prompts, the better half of them on twice as many, and so on, until one is left (Jamieson
and Talwalkar, "Non-stochastic best arm identification and hyperparameter optimization", 2016). What a pair
said in one rung counts in the next.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from metrics.prompts import Prompt, selection_subset
from metrics.scores import UtteranceScore, pooled
from stages.tables import CheckpointPairRow

RULE = (
    "Among the pairs that sound like the speaker (similarity no further below the best pair's than the tolerance): "
    "fewest failed utterances, then the lowest WER, then the earliest epochs. Where its WER is above that of the base "
    "before adaptation, its SoVITS is drawn back towards the base until it is not; but a pair that sounds like the "
    "speaker (similarity at least `likeness` of the recordings') stays one that does."
)
FEWEST_PROMPTS = 4  # a rung of fewer would be a lottery

Epochs = tuple[int, int]  # of the GPT, of the SoVITS
Score = Callable[[Epochs, Sequence[Prompt]], Sequence[UtteranceScore]]


def choose_pair(
    pairs: Sequence[Epochs],
    prompts: Sequence[Prompt],
    n_prompts: int,
    similarity_tolerance: float,
    score: Score,
) -> tuple[Epochs, list[CheckpointPairRow]]:
    """The best pair, and one row for every pair in every rung that it took part in.

    prompts:              all of the set; a rung takes a part that is spread over the categories
    n_prompts:            on which the last two pairs are compared; the rungs before have half, a quarter, ...
    similarity_tolerance: cosine, at least 0
    score(pair, some):    the rows of a pair on prompts that it has not spoken yet
    """
    alive, rows, spoken = sorted(set(pairs)), [], {pair: [] for pair in pairs}
    for rung, n in enumerate(rung_sizes(len(alive), n_prompts), start=1):
        subset = selection_subset(prompts, min(n, len(prompts)))
        for pair in alive:
            said = {row.prompt_id for row in spoken[pair]}
            spoken[pair] += score(pair, [prompt for prompt in subset if prompt.id not in said])
        here = [pair_row(pair, rung, spoken[pair]) for pair in alive]
        ranked = rank_pairs(here, similarity_tolerance)
        alive = [(row.gpt_epoch, row.sovits_epoch) for row in ranked[: math.ceil(len(ranked) / 2)]]
        rows += [row.model_copy(update={"kept": (row.gpt_epoch, row.sovits_epoch) in alive}) for row in here]
    return alive[0], rows


def rung_sizes(n_pairs: int, n_prompts: int) -> list[int]:
    """How many prompts each rung has: as many rungs as halvings leave one pair, the last with `n_prompts`."""
    n_rungs = max(1, math.ceil(math.log2(n_pairs)))
    return [max(min(FEWEST_PROMPTS, n_prompts), n_prompts >> halvings) for halvings in reversed(range(n_rungs))]


def rank_pairs(rows: Sequence[CheckpointPairRow], similarity_tolerance: float) -> list[CheckpointPairRow]:
    """The rows of one rung, the best first, by RULE. A similarity that could not be measured is out of tolerance."""
    known = [row.similarity for row in rows if row.similarity is not None]
    least = max(known, default=-math.inf) - similarity_tolerance

    def rank(row: CheckpointPairRow) -> tuple[float, ...]:
        is_another = row.similarity is None or row.similarity < least
        return (is_another, row.failed_share, row.wer, row.gpt_epoch, row.sovits_epoch)

    return sorted(rows, key=rank)


def choose_interpolation(
    before: CheckpointPairRow,
    best: CheckpointPairRow,
    shares: Sequence[float],
    least_similarity: float,
    score: Callable[[float], Sequence[UtteranceScore]],
) -> list[CheckpointPairRow]:
    """Rows of the best pair with ever smaller shares of its adapted SoVITS, until adaptation costs no words.

    None where it costs none as it is. Where every share does, the one of the lowest WER counts, the largest of equals.
    A pair that has the least similarity keeps it: shares below it are not chosen, and no smaller one is tried.
    shares: in (0, 1), the largest first; score(share): what the pair says then, on the prompts of `before` and `best`
    """

    def is_speaker(row: CheckpointPairRow) -> bool:
        return row.similarity is not None and row.similarity >= least_similarity

    keeps = is_speaker(best)
    rows: list[CheckpointPairRow] = []
    for share in shares:
        if min(row.wer for row in (best, *rows)) <= before.wer or (keeps and not all(map(is_speaker, rows))):
            break
        row = pair_row((best.gpt_epoch, best.sovits_epoch), best.rung, score(share))
        rows.append(row.model_copy(update={"interpolation_weight": share}))
    possible = [row for row in (best, *rows) if is_speaker(row) or not keeps]
    kept = min(possible, key=lambda row: (row.wer, -row.interpolation_weight))
    return [row.model_copy(update={"kept": row is kept}) for row in rows]


def pair_row(pair: Epochs, rung: int, rows: Sequence[UtteranceScore]) -> CheckpointPairRow:
    """The pooled figures of a pair's utterances as a row of the table."""
    figures = {name: None if math.isnan(value) else value for name, value in pooled(rows).items()}
    return CheckpointPairRow(
        rung=rung, n_prompts=len(rows), gpt_epoch=pair[0], sovits_epoch=pair[1], kept=False, **figures
    )

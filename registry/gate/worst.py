"""The prompts where the candidate does worst: what a person listens to first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from metrics.scores import UtteranceScore
from registry.gate.causes import failures_by_name
from registry.gate.tables import ScoreTable
from registry.verdicts.verdict import PromptDifference

SHOWN = 50  # rows; the report shows all of them
MOST_CHARACTERS = 120


def worst_prompts(
    rows: Sequence[UtteranceScore], scores: ScoreTable, champion: ScoreTable | None
) -> tuple[PromptDifference, ...]:
    """The prompts by how much more of their words are wrong than with the champion (without one: by how many are).

    Equally many: the less similar first, then by id.
    """
    by_prompt: dict[str, list[UtteranceScore]] = {prompt: [] for prompt in scores.prompt_ids}
    for row in rows:
        by_prompt[row.prompt_id].append(row)
    wer, similarity = _wer(scores), scores.similarity.mean(axis=1)
    their_wer = _wer(champion) if champion else np.zeros(len(wer))
    their_similarity = champion.similarity.mean(axis=1) if champion else np.zeros(len(wer))
    order = np.lexsort((similarity - their_similarity, -(wer - their_wer).round(12)))  # stable: ids are in order
    found = []
    for index in order[:SHOWN]:
        own = by_prompt[scores.prompt_ids[index]]
        text = own[0].reference
        found.append(
            PromptDifference(
                prompt_id=own[0].prompt_id,
                category=own[0].category,
                text=text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 3] + "...",
                wer=float(wer[index]),
                champion_wer=float(their_wer[index]) if champion else None,
                similarity=float(similarity[index]),
                champion_similarity=float(their_similarity[index]) if champion else None,
                failures=failures_by_name(own),
            )
        )
    return tuple(found)


def _wer(scores: ScoreTable) -> np.ndarray:
    """Of each prompt, (n_prompts,)."""
    return scores.word_errors.sum(axis=1) / scores.n_words.sum(axis=1)

"""Find the prompts where the candidate does worst: what a person listens to first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from metrics.scores import UtteranceScore
from registry.gate.decision import PromptDifference
from registry.gate.reasons.causes import count_failures
from registry.gate.tables import ScoreTable

MAX_PROMPTS = 50  # the report shows all of them
MAX_CHARACTERS = 120  # of a prompt's text


def find_worst_prompts(
    rows: Sequence[UtteranceScore], scores: ScoreTable, *, champion: ScoreTable | None
) -> tuple[PromptDifference, ...]:
    """Return the prompts with the largest increase of the word error rate, or without a champion the largest rate.

    Where rates are equal, the less similar prompt comes first, then the smaller id.

    Args:
        rows: The candidate's.
        scores: The same as a table.
        champion: Scores of the champion on the same prompts and seeds, or None.
    """
    rows_by_prompt: dict[str, list[UtteranceScore]] = {prompt: [] for prompt in scores.prompt_ids}
    for row in rows:
        rows_by_prompt[row.prompt_id].append(row)
    wer, similarity = _prompt_wer(scores), scores.similarity.mean(axis=1)
    champion_wer = _prompt_wer(champion) if champion else np.zeros(len(wer))
    champion_similarity = champion.similarity.mean(axis=1) if champion else np.zeros(len(wer))
    # lexsort is stable, and the ids are in order
    order = np.lexsort((similarity - champion_similarity, -(wer - champion_wer).round(12)))
    worst = []
    for index in order[:MAX_PROMPTS]:
        own = rows_by_prompt[scores.prompt_ids[index]]
        text = own[0].reference
        worst.append(
            PromptDifference(
                prompt_id=own[0].prompt_id,
                category=own[0].category,
                text=text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 3] + "...",
                wer=float(wer[index]),
                champion_wer=float(champion_wer[index]) if champion else None,
                similarity=float(similarity[index]),
                champion_similarity=float(champion_similarity[index]) if champion else None,
                failures=count_failures(own),
            )
        )
    return tuple(worst)


def _prompt_wer(scores: ScoreTable) -> np.ndarray:
    """Return the word error rate of each prompt, (n_prompts,)."""
    return scores.word_errors.sum(axis=1) / scores.n_words.sum(axis=1)

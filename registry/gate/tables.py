"""Scores as arrays: one row per prompt, one column per seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from metrics.normalize import error_unit
from metrics.scores import UtteranceScore
from registry.gate.policy import CHARACTERS_PER_WORD, LENGTHS, UNITS, Margin, Superiority, Threshold


@dataclass(frozen=True)
class ScoreTable:
    """The scores of one voice.

    Each array is (n_prompts, n_seeds), with the prompts in the order of their ids and the seeds ascending.
    """

    prompt_ids: tuple[str, ...]
    labels: Mapping[str, np.ndarray]  # category or length -> (n_prompts,) str: what slices are cut by
    word_errors: np.ndarray
    n_words: np.ndarray
    char_errors: np.ndarray
    n_chars: np.ndarray
    similarity: np.ndarray
    failed: np.ndarray  # bool
    silent: np.ndarray  # bool: nothing is heard
    error_unit: str = "word"  # or character: what the language counts its errors in

    def summands(self, metric: str) -> tuple[np.ndarray, np.ndarray]:
        """Return numerators and denominators of a metric: its figure is the ratio of their sums."""
        if metric == "wer":
            return self.word_errors, self.n_words
        if metric == "cer":
            return self.char_errors, self.n_chars
        numerators = self.similarity if metric == "similarity" else self.failed.astype(float)
        return numerators, np.ones(numerators.shape)

    def figure(self, metric: str, prompts: np.ndarray | slice = slice(None)) -> float:
        """Return the pooled figure of all prompts, or of those in a boolean mask (n_prompts,)."""
        numerators, denominators = self.summands(metric)
        return float(numerators[prompts].sum() / denominators[prompts].sum())

    def unit(self, rule: Threshold | Margin | Superiority) -> str:
        """Return the unit of a rule's figures, of which a policy says `per word` for every language."""
        return f"errors per {self.error_unit}" if rule.unit == UNITS["wer"] else rule.unit


def score_table(rows: Sequence[UtteranceScore], slices: Sequence[str]) -> ScoreTable:
    """Return the scores of complete rows, in which every prompt has the same seeds.

    Args:
        rows: One row per prompt and seed.
        slices: The labels to make: any of category and length.
    """
    by_prompt: dict[str, list[UtteranceScore]] = {}
    for row in sorted(rows, key=lambda row: (row.prompt_id, row.seed)):
        by_prompt.setdefault(row.prompt_id, []).append(row)
    grid = list(by_prompt.values())

    def column(name: str) -> np.ndarray:
        return np.array([[getattr(row, name) for row in prompt] for prompt in grid], dtype=float)

    return ScoreTable(
        prompt_ids=tuple(by_prompt),
        labels={by: np.array([slice_label(prompt[0], by) for prompt in grid]) for by in slices},
        **{name: column(name) for name in ("word_errors", "n_words", "char_errors", "n_chars", "similarity")},
        failed=np.array([[bool(row.failures) for row in prompt] for prompt in grid]),
        silent=np.array([["empty" in row.failures for row in prompt] for prompt in grid]),
        error_unit=error_unit(rows[0].language) if rows else "word",
    )


def slice_label(row: UtteranceScore, by: str) -> str:
    """Return the row's category or length, whichever `by` names."""
    if by == "length":
        per_word = 1 if error_unit(row.language) == "word" else CHARACTERS_PER_WORD
        return next(name for name, (_, most) in LENGTHS.items() if most is None or row.n_words <= most * per_word)
    return str(getattr(row, by))

"""Scores as arrays: one row a prompt, one column a seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from metrics.scores import UtteranceScore
from registry.gate.policy import LENGTHS


@dataclass(frozen=True)
class ScoreTable:
    """Each array is (n_prompts, n_seeds); prompts in the order of their ids, seeds ascending."""

    prompt_ids: tuple[str, ...]
    labels: Mapping[str, np.ndarray]  # (n_prompts,) str, what a slice goes by: category, language, length
    word_errors: np.ndarray
    n_words: np.ndarray
    char_errors: np.ndarray
    n_chars: np.ndarray
    similarity: np.ndarray
    failed: np.ndarray  # bool
    silent: np.ndarray  # bool: nothing is heard

    def parts(self, metric: str) -> tuple[np.ndarray, np.ndarray]:
        """What is summed for a metric, and what that is counted in: its figure is the ratio of their sums."""
        if metric == "wer":
            return self.word_errors, self.n_words
        if metric == "cer":
            return self.char_errors, self.n_chars
        figure = self.similarity if metric == "similarity" else self.failed.astype(float)
        return figure, np.ones(figure.shape)

    def figure(self, metric: str, prompts: np.ndarray | slice = slice(None)) -> float:
        """The pooled figure, of all prompts or of those in a boolean mask (n_prompts,)."""
        sums, weights = self.parts(metric)
        return float(sums[prompts].sum() / weights[prompts].sum())


def table(rows: Sequence[UtteranceScore], slices: Sequence[str]) -> ScoreTable:
    """The scores of complete rows: each prompt with the same seeds. slices: the labels to make, see `labels`."""
    by_prompt: dict[str, list[UtteranceScore]] = {}
    for row in sorted(rows, key=lambda row: (row.prompt_id, row.seed)):
        by_prompt.setdefault(row.prompt_id, []).append(row)
    grid = list(by_prompt.values())

    def column(name: str) -> np.ndarray:
        return np.array([[getattr(row, name) for row in prompt] for prompt in grid], dtype=float)

    return ScoreTable(
        prompt_ids=tuple(by_prompt),
        labels={by: np.array([label(prompt[0], by) for prompt in grid]) for by in slices},
        **{name: column(name) for name in ("word_errors", "n_words", "char_errors", "n_chars", "similarity")},
        failed=np.array([[bool(row.failures) for row in prompt] for prompt in grid]),
        silent=np.array([["empty" in row.failures for row in prompt] for prompt in grid]),
    )


def label(row: UtteranceScore, by: str) -> str:
    """The value of a row by which a slice is cut."""
    if by == "length":
        return next(name for name, (_, most) in LENGTHS.items() if most is None or row.n_words <= most)
    return str(getattr(row, by))

"""Candidate against champion prompt by prompt, and an utterance's words with their errors."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from metrics.scores import Scorecard, UtteranceScore, pooled
from metrics.wer import word_operations
from registry.report.figures import is_known


class Word(NamedTuple):
    """A piece of an utterance: what was to be said beside what was heard."""

    kind: str  # equal, substitute, delete, insert
    said: str  # words of the reference
    heard: str  # words of the hypothesis


class PromptPair(NamedTuple):
    """One prompt as both versions spoke it, all seeds together."""

    prompt_id: str
    category: str
    candidate: tuple[UtteranceScore, ...]  # by seed
    champion: tuple[UtteranceScore, ...]  # by seed, empty without a champion
    figures: dict[str, float]
    champion_figures: dict[str, float]  # NaN without a champion

    @property
    def wer_difference(self) -> float | None:
        """Return the word error rate's change against the champion, None where one is unknown."""
        return _difference(self, "wer")

    @property
    def similarity_difference(self) -> float | None:
        """Return the speaker similarity's change against the champion, None where one is unknown."""
        return _difference(self, "similarity")

    @property
    def failures(self) -> tuple[str, ...]:
        """Return the names of both versions' failures."""
        return tuple(sorted({name for row in (*self.candidate, *self.champion) for name in row.failures}))


def compare_words(reference: str, hypothesis: str) -> list[Word]:
    """Return equal, deleted and inserted runs and single substituted words, in the order of the sentence."""
    words = []
    for kind, run in itertools.groupby(word_operations(reference, hypothesis), key=lambda operation: operation.op):
        pairs = [(operation.reference, operation.hypothesis) for operation in run]
        if kind == "substitute":  # word by word, so that each stands beside its own error
            words += [Word(kind, said, heard) for said, heard in pairs]
        else:
            words.append(Word(kind, " ".join(said for said, _ in pairs).strip(), " ".join(h for _, h in pairs).strip()))
    return words


def prompt_pairs(candidate: Scorecard, champion: Scorecard | None) -> list[PromptPair]:
    """Return every prompt of the candidate, the worst first.

    Against a champion the worst prompts are those with the largest losses: in failed utterances, then in word error
    rate, then in speaker similarity. Without a champion the candidate's own figures are ordered in the same way.
    """
    rows_by_prompt, champion_rows = (
        _group_by_prompt(candidate.rows),
        _group_by_prompt(champion.rows if champion else ()),
    )
    pairs = [
        PromptPair(
            name,
            rows[0].category,
            rows,
            champion_rows.get(name, ()),
            pooled(rows),
            pooled(champion_rows.get(name, ())),
        )
        for name, rows in rows_by_prompt.items()
    ]
    return sorted(pairs, key=_worst_first)


def _worst_first(pair: PromptPair) -> tuple[float | str, ...]:
    if not pair.champion:
        return (
            -pair.figures["failed_share"],
            -pair.figures["wer"],
            *_similarity_key(pair.figures["similarity"]),
            pair.prompt_id,
        )
    gain = pair.champion_figures["failed_share"] - pair.figures["failed_share"]
    return (gain, -(pair.wer_difference or 0.0), *_similarity_key(pair.similarity_difference), pair.prompt_id)


def _similarity_key(value: float | None) -> tuple[float, float]:
    """Return a sort key in which a value that could not be measured is worse than any other."""
    return (1.0, value) if is_known(value) else (0.0, 0.0)


def _difference(pair: PromptPair, name: str) -> float | None:
    """Return candidate minus champion, None where one of them has no value."""
    candidate, champion = pair.figures[name], pair.champion_figures[name]
    return candidate - champion if is_known(candidate) and is_known(champion) else None


def _group_by_prompt(rows: Sequence[UtteranceScore]) -> dict[str, tuple[UtteranceScore, ...]]:
    groups: dict[str, list[UtteranceScore]] = {}
    for row in sorted(rows, key=lambda row: (row.prompt_id, row.seed)):
        groups.setdefault(row.prompt_id, []).append(row)
    return {name: tuple(group) for name, group in groups.items()}

"""Candidate against champion prompt by prompt, and an utterance's words with their errors."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from metrics.scores import Scorecard, UtteranceScore, pooled
from metrics.wer import word_operations
from registry.report.figures import is_known


class Word(NamedTuple):
    """A piece of the comparison of what was to be said with what was heard."""

    kind: str  # equal, substitute, delete, insert
    said: str  # words of the reference
    heard: str  # words of the hypothesis


class PromptPair(NamedTuple):
    """What the two versions made of one prompt, all seeds together."""

    prompt_id: str
    category: str
    candidate: tuple[UtteranceScore, ...]  # by seed
    champion: tuple[UtteranceScore, ...]  # by seed; empty without a champion
    figures: dict[str, float]
    champion_figures: dict[str, float]  # NaN without a champion

    @property
    def wer_difference(self) -> float | None:
        return _difference(self, "wer")

    @property
    def similarity_difference(self) -> float | None:
        return _difference(self, "similarity")

    @property
    def failures(self) -> tuple[str, ...]:
        """Names of both versions' failures."""
        return tuple(sorted({name for row in (*self.candidate, *self.champion) for name in row.failures}))


def compare_words(reference: str, hypothesis: str) -> list[Word]:
    """Equal, deleted and inserted runs and single substituted words, in the order in which the sentence is said."""
    words = []
    for kind, run in itertools.groupby(word_operations(reference, hypothesis), key=lambda operation: operation.op):
        pairs = [(operation.reference, operation.hypothesis) for operation in run]
        if kind == "substitute":  # word by word, so that each stands beside its own mistake
            words += [Word(kind, said, heard) for said, heard in pairs]
        else:
            words.append(Word(kind, " ".join(said for said, _ in pairs).strip(), " ".join(h for _, h in pairs).strip()))
    return words


def prompt_pairs(candidate: Scorecard, champion: Scorecard | None) -> list[PromptPair]:
    """Every prompt of the candidate, the worst first.

    Against a champion the worst is where most is lost: newly failed takes, then word mistakes, then likeness. Without
    one it is the candidate's own: failed takes, then word mistakes, then likeness.
    """
    ours, theirs = _by_prompt(candidate.rows), _by_prompt(champion.rows if champion else ())
    pairs = [
        PromptPair(name, rows[0].category, rows, theirs.get(name, ()), pooled(rows), pooled(theirs.get(name, ())))
        for name, rows in ours.items()
    ]
    return sorted(pairs, key=_worst_first)


def _worst_first(pair: PromptPair) -> tuple[float | str, ...]:
    if not pair.champion:
        return (
            -pair.figures["failed_share"],
            -pair.figures["wer"],
            *_likeness(pair.figures["similarity"]),
            pair.prompt_id,
        )
    lost = pair.champion_figures["failed_share"] - pair.figures["failed_share"]
    return (lost, -(pair.wer_difference or 0.0), *_likeness(pair.similarity_difference), pair.prompt_id)


def _likeness(value: float | None) -> tuple[float, float]:
    """What could not be measured is worse than any value."""
    return (1.0, value) if is_known(value) else (0.0, 0.0)


def _difference(pair: PromptPair, name: str) -> float | None:
    """Candidate minus champion; None where one of them has no value."""
    ours, theirs = pair.figures[name], pair.champion_figures[name]
    return ours - theirs if is_known(ours) and is_known(theirs) else None


def _by_prompt(rows: Sequence[UtteranceScore]) -> dict[str, tuple[UtteranceScore, ...]]:
    found: dict[str, list[UtteranceScore]] = {}
    for row in sorted(rows, key=lambda row: (row.prompt_id, row.seed)):
        found.setdefault(row.prompt_id, []).append(row)
    return {name: tuple(some) for name, some in found.items()}

"""Word and character errors of one utterance, on text that normalize.py has already normalised."""

from dataclasses import dataclass
from typing import Literal

import jiwer


@dataclass(frozen=True)
class ErrorCount:
    """Edit operations that turn the reference into the hypothesis; n_reference in words or characters, at least 1.

    Counts, not a rate, so that a corpus is pooled by adding them. Insertions can push the rate above 1.
    """

    errors: int
    n_reference: int
    substitutions: int
    deletions: int
    insertions: int

    @property
    def rate(self) -> float:
        """errors / n_reference: 0 is perfect, 1 is nothing right, more is possible."""
        return self.errors / self.n_reference


@dataclass(frozen=True)
class WordOperation:
    """One step of the alignment. reference is "" for an insertion, hypothesis is "" for a deletion."""

    op: Literal["equal", "substitute", "delete", "insert"]
    reference: str
    hypothesis: str


def _checked(reference: str) -> str:
    if not reference.strip():
        raise ValueError("the reference text is empty; an error rate needs at least one word to divide by")
    return " ".join(reference.split())


def _count(output: jiwer.WordOutput | jiwer.CharacterOutput) -> ErrorCount:
    return ErrorCount(
        errors=output.substitutions + output.deletions + output.insertions,
        n_reference=output.hits + output.substitutions + output.deletions,
        substitutions=output.substitutions,
        deletions=output.deletions,
        insertions=output.insertions,
    )


def word_errors(reference: str, hypothesis: str) -> ErrorCount:
    """Word errors; an empty hypothesis is all deletions. Raises ValueError on an empty reference."""
    return _count(jiwer.process_words(_checked(reference), " ".join(hypothesis.split())))


def character_errors(reference: str, hypothesis: str) -> ErrorCount:
    """Character errors, spaces between words included. Raises ValueError on an empty reference."""
    return _count(jiwer.process_characters(_checked(reference), " ".join(hypothesis.split())))


def word_operations(reference: str, hypothesis: str) -> list[WordOperation]:
    """The aligned words in order, one operation each. Raises ValueError on an empty reference."""
    output = jiwer.process_words(_checked(reference), " ".join(hypothesis.split()))
    said, heard = output.references[0], output.hypotheses[0]
    operations = []
    for chunk in output.alignments[0]:
        references = said[chunk.ref_start_idx : chunk.ref_end_idx] or [""] * (chunk.hyp_end_idx - chunk.hyp_start_idx)
        hypotheses = heard[chunk.hyp_start_idx : chunk.hyp_end_idx] or [""] * len(references)
        operations += [WordOperation(chunk.type, r, h) for r, h in zip(references, hypotheses, strict=True)]
    return operations

"""Word and character errors of one utterance, on text that normalize.py has already normalised."""

from dataclasses import dataclass
from typing import Literal

import jiwer


@dataclass(frozen=True)
class ErrorCount:
    """The edit operations that turn the reference into the hypothesis.

    These are counts and not a rate, so that a corpus is pooled by adding them.
    """

    errors: int
    n_reference: int  # words or characters of the reference, at least 1
    substitutions: int
    deletions: int
    insertions: int

    @property
    def rate(self) -> float:
        """Return errors / n_reference: 0 is perfect. Insertions can make it exceed 1."""
        return self.errors / self.n_reference


@dataclass(frozen=True)
class WordOperation:
    """One step of the alignment of two texts."""

    op: Literal["equal", "substitute", "delete", "insert"]
    reference: str  # empty for an insertion
    hypothesis: str  # empty for a deletion


def _checked_reference(reference: str) -> str:
    if not reference.strip():
        raise ValueError("the reference text is empty; an error rate needs at least one word in it")
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
    """Count word errors. An empty hypothesis counts as deletions only.

    Raises:
        ValueError: the reference is empty.
    """
    return _count(jiwer.process_words(_checked_reference(reference), " ".join(hypothesis.split())))


def character_errors(reference: str, hypothesis: str) -> ErrorCount:
    """Count character errors, including spaces between words.

    Raises:
        ValueError: the reference is empty.
    """
    return _count(jiwer.process_characters(_checked_reference(reference), " ".join(hypothesis.split())))


def word_operations(reference: str, hypothesis: str) -> list[WordOperation]:
    """Align the words of two texts, one operation per word, in order.

    Raises:
        ValueError: the reference is empty.
    """
    output = jiwer.process_words(_checked_reference(reference), " ".join(hypothesis.split()))
    reference_words, hypothesis_words = output.references[0], output.hypotheses[0]
    operations = []
    for chunk in output.alignments[0]:
        references = reference_words[chunk.ref_start_idx : chunk.ref_end_idx] or [""] * (
            chunk.hyp_end_idx - chunk.hyp_start_idx
        )
        hypotheses = hypothesis_words[chunk.hyp_start_idx : chunk.hyp_end_idx] or [""] * len(references)
        operations += [WordOperation(chunk.type, r, h) for r, h in zip(references, hypotheses, strict=True)]
    return operations

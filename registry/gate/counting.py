"""Scores in the form in which they count: what could not be spoken is all wrong, and is never skipped."""

from __future__ import annotations

from collections.abc import Sequence

from metrics.scores import UtteranceScore
from registry.gate.faults import has_audio, has_no_similarity


def counted_rows(rows: Sequence[UtteranceScore]) -> list[UtteranceScore]:
    """Return rows in which silence counts as all words wrong, and a voice that cannot be measured as similarity 0."""
    return [_as_counted(row) for row in rows]


def _as_counted(row: UtteranceScore) -> UtteranceScore:
    changes: dict[str, object] = {}
    if not has_audio(row):
        changes["word_errors"] = max(row.word_errors, row.n_words)
        changes["char_errors"] = max(row.char_errors, row.n_chars)
    if has_no_similarity(row):
        changes["similarity"] = 0.0
    return row.model_copy(update=changes) if changes else row

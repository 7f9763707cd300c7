"""What lies behind a bad figure: failures of speech, another speaker's voice, words swallowed, misread or added.

One damage moves every figure: silence costs words and speaker similarity too. So the most direct explanation is named
first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from metrics.normalize import error_unit
from metrics.scores import UtteranceScore
from metrics.wer import word_operations
from registry.gate.decision import Cause
from registry.gate.reasons.codes import CauseCode

# Failures of speech, those that explain others first: noise hides words, and silence is not also a swallowed clause.
# An utterance counts for the first of its failures in this order.
FAILURES_BY_PRECEDENCE = (
    "noise",
    "wrong_language",
    "empty",
    "leaked_prompt",
    "repeated_clause",
    "runaway",
    "cut_off",
    "swallowed_clause",
)
WORD_CAUSES = (
    CauseCode.FAILED_UTTERANCES,
    CauseCode.WORDS_CUT_OFF,
    CauseCode.SWALLOWED_WORDS,
    CauseCode.MISREAD_WORDS,
    CauseCode.ADDED_WORDS,
)
# Below this share of what the champion (or the recordings) reach, a voice is not a poor copy but somebody else: the
# offline speaker judge puts two readers at -0.2 to 0.5 and two clips of one reader at 0.6 to 0.9
# (metrics/judges/ecapa_small/MODEL_CARD.md).
ANOTHER_SPEAKER = 0.75


@dataclass(frozen=True)
class Causes:
    """What lies behind the figures of a candidate that failed."""

    failures: tuple[Cause, ...]  # of speech
    words: Cause
    speaker: Cause

    @property
    def is_another_speaker(self) -> bool:
        """Return whether the voice is another speaker's."""
        return self.speaker.code == CauseCode.ANOTHER_SPEAKER

    def behind(self, metric: str) -> tuple[Cause, ...]:
        """Return what lies behind one metric's figure."""
        if metric == "failed_share":
            return self.failures
        return (self.speaker,) if metric == "similarity" else (self.words,)


def find_causes(
    rows: Sequence[UtteranceScore], champion_rows: Sequence[UtteranceScore], *, recordings: Mapping[str, float]
) -> Causes:
    """Return the causes of a candidate's figures.

    Args:
        rows: The candidate's.
        champion_rows: The champion's, empty where there is none.
        recordings: Pooled figures of the held-out recordings by metric, empty where there are none.
    """
    another = is_another_speaker(rows, champion_rows, recordings=recordings)
    return Causes(
        failures=failure_causes(rows, champion_rows),
        words=word_cause(rows, champion_rows),
        speaker=Cause(code=CauseCode.ANOTHER_SPEAKER if another else CauseCode.SIMILARITY_LOST),
    )


def count_failures(rows: Sequence[UtteranceScore]) -> dict[str, int]:
    """Count failed utterances by the failure's name, in the order of the names. One with two names counts twice."""
    return dict(sorted(Counter(name for row in rows for name in row.failures).items()))


def failure_causes(rows: Sequence[UtteranceScore], champion_rows: Sequence[UtteranceScore]) -> tuple[Cause, ...]:
    """Return each failure of speech with its counts, the largest difference to the champion first."""
    counts, champion_counts = Counter(map(_main_failure, rows)), Counter(map(_main_failure, champion_rows))
    names = [name for name in counts if name]
    names.sort(key=lambda name: (champion_counts[name] - counts[name], _precedence(name), name))
    return tuple(
        Cause(
            code=CauseCode.FAILURE_OF_SPEECH,
            failure=name,
            values={
                "n": counts[name],
                "n_utterances": len(rows),
                "n_champion": champion_counts[name] if champion_rows else None,
            },
        )
        for name in names
    )


def word_cause(rows: Sequence[UtteranceScore], champion_rows: Sequence[UtteranceScore]) -> Cause:
    """Return what most word errors are, or most of those that the champion does not make.

    It is `wrong_words` where the transcripts do not show more.
    """
    errors, champion_errors = _errors_by_cause(rows), _errors_by_cause(champion_rows)
    additional = {cause: errors[cause] - champion_errors[cause] for cause in WORD_CAUSES}
    worst = max(additional, key=additional.get)
    if additional[worst] <= 0:
        return Cause(code=CauseCode.WRONG_WORDS)
    return Cause(code=worst, values={"errors_per_unit": additional[worst], "unit": error_unit(rows[0].language)})


def is_another_speaker(
    rows: Sequence[UtteranceScore], champion_rows: Sequence[UtteranceScore], *, recordings: Mapping[str, float]
) -> bool:
    """Return whether the voice is another speaker's.

    That is so where the utterances without a failure of speech sound like somebody else, and are more than the failed
    ones that the champion does not have.

    Args:
        rows: The candidate's.
        champion_rows: The champion's, empty where there is none.
        recordings: Pooled figures of the held-out recordings by metric, empty where there are none.
    """
    similarities = [row.similarity for row in rows if not row.failures and row.similarity is not None]
    champion_similarities = [row.similarity for row in champion_rows if row.similarity is not None]
    if champion_similarities:
        usual = sum(champion_similarities) / len(champion_similarities)
    else:
        usual = recordings.get("similarity", 1.0)
    n_failed = sum(bool(row.failures) for row in rows) - sum(bool(row.failures) for row in champion_rows)
    return len(similarities) > n_failed and sum(similarities) / len(similarities) < ANOTHER_SPEAKER * usual


def _main_failure(row: UtteranceScore) -> str:
    """Return the failure that explains the row's others, or an empty string for a row without any."""
    return min(row.failures, key=_precedence, default="")


def _precedence(failure: str) -> int:
    known = FAILURES_BY_PRECEDENCE
    return known.index(failure) if failure in known else len(known)


def _errors_by_cause(rows: Sequence[UtteranceScore]) -> Counter[CauseCode]:
    """Return the errors by cause, per word or per character as the language counts them."""
    errors: Counter[CauseCode] = Counter()
    for row in rows:
        if row.failures:
            errors[CauseCode.FAILED_UTTERANCES] += row.word_errors
            continue
        operations = [operation.op for operation in word_operations(row.reference, row.hypothesis)]
        n_at_end = 0
        while operations and operations[-1] == "delete":
            operations.pop()
            n_at_end += 1
        errors[CauseCode.WORDS_CUT_OFF] += n_at_end
        errors[CauseCode.SWALLOWED_WORDS] += operations.count("delete")
        errors[CauseCode.MISREAD_WORDS] += operations.count("substitute")
        errors[CauseCode.ADDED_WORDS] += operations.count("insert")
    n_words = sum(row.n_words for row in rows) or 1
    return Counter({cause: count / n_words for cause, count in errors.items()})

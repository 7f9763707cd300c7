"""What lies behind a bad figure: failures by name, another speaker's voice, words swallowed, misread or added.

One damage moves every figure: silence costs words and likeness too. So what explains the most directly is named first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from metrics.scores import UtteranceScore
from metrics.wer import word_operations

# Failures in the order in which one explains the others: noise hides words, and silence is not a swallowed clause too.
# An utterance counts for the first of its names that stands here.
EXPLAINS = {
    "noise": "noise",
    "wrong_language": "wrong language",
    "empty": "silent (empty)",
    "leaked_prompt": "leaked prompt",
    "repeated_clause": "repeated clause",
    "runaway": "runaway",
    "cut_off": "cut off",
    "swallowed_clause": "swallowed words (clause)",
}
WORD_CAUSES = ("failed utterances", "words cut off at the end", "swallowed words", "misread words", "added words")
# Below this share of what the champion (or the recordings) reach, a voice is no worse copy but somebody else: the judge
# puts two voices at 0.0 to 0.5 and takes of one at 0.8 to 0.95 (metrics/judges/ecapa_small/MODEL_CARD.md).
ANOTHER_SPEAKER = 0.75


@dataclass(frozen=True)
class Causes:
    """What lies behind the figures of a candidate that failed."""

    failures: Sequence[str]
    words: str
    another_speaker: bool

    def of(self, metric: str) -> str:
        """What lies behind one metric's figure, in words."""
        if metric == "failed_share":
            return ", ".join(self.failures)
        if metric == "similarity":
            return "similarity of another speaker's voice" if self.another_speaker else "similarity to the speaker lost"
        return self.words


def causes_of(
    rows: Sequence[UtteranceScore], champion_rows: Sequence[UtteranceScore], recordings: Mapping[str, float]
) -> Causes:
    """The causes of a candidate's figures. champion_rows: empty without a champion; recordings: {} without any."""
    return Causes(
        failures=failure_causes(rows, champion_rows),
        words=word_cause(rows, champion_rows),
        another_speaker=is_another_speaker(rows, champion_rows, recordings),
    )


def failures_by_name(rows: Sequence[UtteranceScore]) -> dict[str, int]:
    """Failed utterances by the failure's name, in the order of the names; one with two names counts for both."""
    return dict(sorted(Counter(name for row in rows for name in row.failures).items()))


def failure_causes(rows: Sequence[UtteranceScore], champion_rows: Sequence[UtteranceScore]) -> list[str]:
    """`cut off in 12 of 300 utterances (champion 1)`, the largest difference to the champion first."""
    ours, theirs = Counter(map(_main_failure, rows)), Counter(map(_main_failure, champion_rows))
    names = [name for name in ours if name]
    rank = {name: position for position, name in enumerate(EXPLAINS)}
    names.sort(key=lambda name: (theirs[name] - ours[name], rank.get(name, len(rank)), name))
    than = (lambda name: f" (champion {theirs[name]})") if champion_rows else (lambda _: "")
    return [f"{EXPLAINS.get(name, name)} in {ours[name]} of {len(rows)} utterances{than(name)}" for name in names]


def word_cause(rows: Sequence[UtteranceScore], champion_rows: Sequence[UtteranceScore]) -> str:
    """What most of the word errors are, or most of those that the champion does not make: one of WORD_CAUSES.

    Plain `wrong words` where the transcripts do not say.
    """
    ours, theirs = _errors_by_cause(rows), _errors_by_cause(champion_rows)
    more = {cause: ours[cause] - theirs[cause] for cause in WORD_CAUSES}
    worst = max(more, key=more.get)
    return f"{worst} ({more[worst]:+.3f} per word)" if more[worst] > 0 else "wrong words"


def is_another_speaker(
    rows: Sequence[UtteranceScore], champion_rows: Sequence[UtteranceScore], recordings: Mapping[str, float]
) -> bool:
    """Whether the utterances that did not fail by name sound like somebody else, and are more than those that did."""
    well = [row.similarity for row in rows if not row.failures and row.similarity is not None]
    theirs = [row.similarity for row in champion_rows if row.similarity is not None]
    like = sum(theirs) / len(theirs) if theirs else recordings.get("similarity", 1.0)
    n_failed = sum(bool(row.failures) for row in rows) - sum(bool(row.failures) for row in champion_rows)
    return len(well) > n_failed and sum(well) / len(well) < ANOTHER_SPEAKER * like


def _main_failure(row: UtteranceScore) -> str:
    """The failure that explains the row's others; empty for a row without any."""
    order = list(EXPLAINS)
    return min(row.failures, key=lambda name: order.index(name) if name in order else len(order), default="")


def _errors_by_cause(rows: Sequence[UtteranceScore]) -> Counter[str]:
    """Word errors per word, by cause."""
    errors: Counter[str] = Counter()
    for row in rows:
        if row.failures:
            errors["failed utterances"] += row.word_errors
            continue
        operations = [operation.op for operation in word_operations(row.reference, row.hypothesis)]
        at_end = 0
        while operations and operations[-1] == "delete":
            operations.pop()
            at_end += 1
        errors["words cut off at the end"] += at_end
        errors["swallowed words"] += operations.count("delete")
        errors["misread words"] += operations.count("substitute")
        errors["added words"] += operations.count("insert")
    n_words = sum(row.n_words for row in rows) or 1
    return Counter({cause: count / n_words for cause, count in errors.items()})

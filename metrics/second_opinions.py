"""Whether two ASR judges agree on a voice. Pure functions of scored rows.

Judges differ in how much they mishear: pocketsphinx errs in more than twice as many words of good speech as Whisper. So
the difference of their word error rates on a voice says nothing by itself. It is compared with their difference on the
speaker's own recordings, which people understand. A voice on which the judges differ far more is heard as speech by
one of them only, and its word error rate under either is doubtful.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from metrics.scores import UtteranceScore

# Errors per word beyond the difference on the recordings. For the unadapted starter base on 20 prompts it is -0.08 with
# Whisper tiny.en and pocketsphinx (0.279 and 0.267, recordings 0.040 and 0.105). Twice that is not an accident.
MAX_DISAGREEMENT = 0.15
N_WORST_PROMPTS = 5


class SecondOpinion(NamedTuple):
    """Pooled figures of the rows that both judges heard. NaN where there is no such row.

    Attributes:
        n: number of rows.
        wer: by the first ASR judge.
        second_wer: by the second ASR judge.
        similarity: mean cosine to the held-out recordings by the first speaker judge.
        second_similarity: the same by the second speaker judge.
    """

    n: int
    wer: float
    second_wer: float
    similarity: float
    second_similarity: float

    @property
    def difference(self) -> float:
        """Return how much more the second ASR judge errs, in errors per word (or character, see error_unit)."""
        return self.second_wer - self.wer


class Disagreement(NamedTuple):
    """How far two ASR judges are apart on the prompts beyond their difference on the recordings.

    Attributes:
        excess: errors per word (or character). Positive: the second judge understands less of the voice than the first.
        prompt_ids: the prompts that contribute most, the first the most. Empty unless it is too large.
    """

    excess: float
    prompt_ids: tuple[str, ...]

    @property
    def is_too_large(self) -> bool:
        """Return whether the report warns. NaN, without rows to compare, is not too large."""
        return abs(self.excess) > MAX_DISAGREEMENT


def second_opinion(rows: Sequence[UtteranceScore]) -> SecondOpinion:
    """Pool the rows of which a second judge has an opinion."""
    heard = [row for row in rows if row.second_word_errors is not None]
    n_words = sum(row.n_words for row in heard)
    embedded = [row for row in rows if row.second_similarity is not None and row.similarity_held_out is not None]
    return SecondOpinion(
        n=max(len(heard), len(embedded)),
        wer=_ratio(sum(row.word_errors for row in heard), n_words),
        second_wer=_ratio(sum(row.second_word_errors or 0 for row in heard), n_words),
        similarity=_ratio(math.fsum(row.similarity_held_out or 0.0 for row in embedded), len(embedded)),
        second_similarity=_ratio(math.fsum(row.second_similarity or 0.0 for row in embedded), len(embedded)),
    )


def disagreement(rows: Sequence[UtteranceScore], held_out: Sequence[UtteranceScore]) -> Disagreement:
    """Compare the difference of the two ASR judges on the prompts with their difference on the recordings.

    Args:
        rows: the synthesised utterances.
        held_out: the speaker's held-out recordings.
    """
    excess = second_opinion(rows).difference - second_opinion(held_out).difference
    if not abs(excess) > MAX_DISAGREEMENT:
        return Disagreement(excess, ())
    contributions: dict[str, int] = defaultdict(int)
    for row in rows:
        if row.second_word_errors is not None:
            contributions[row.prompt_id] += row.second_word_errors - row.word_errors
    sign = 1 if excess > 0 else -1
    worst = sorted(contributions, key=lambda name: (-sign * contributions[name], name))
    return Disagreement(excess, tuple(name for name in worst[:N_WORST_PROMPTS] if sign * contributions[name] > 0))


def _ratio(total: float, n: int) -> float:
    return total / n if n else math.nan

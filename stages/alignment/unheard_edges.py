"""Words that are said at the edge of a clip, beside a passage that nobody says. Pure.

Sentences that nobody says are in no clip. A word beside them that the ASR did not hear would be taken for one of them,
and its clip would be kept without it. So each clip beside such a passage is asked for the words next to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

# At 20 and 10 dB, the probability of a clip (natural logarithm) fell by at most 3.7 with a word that is said at its
# edge, and by at least 7.7 with one that is not (28 clips of LJSpeech, faster-whisper-tiny.en)
MAX_LOSS = 5.0
MAX_WORDS = 5  # per edge. More of them are not a word that was missed

LogProbability = Callable[[int, Sequence[int]], float]  # (clip, its tokens): of the sound with these words


def with_unheard_edges(
    shares: Sequence[Sequence[int]], units: Sequence[Sequence[str]], log_probability: LogProbability
) -> list[list[int]]:
    """Return the shares of the clips with the words at their edges that are said there.

    Args:
        shares: the indices of the tokens in each clip. A token may be in none.
        units: the normalised units of each token of the transcript.
        log_probability: minus infinity where the words do not fit.
    """
    found = [list(share) for share in shares]
    taken = {index for share in shares for index in share}
    for clip, share in enumerate(found):
        if not share or share != sorted(share):
            continue
        for side in (-1, 1):
            before: float | None = None
            for _ in range(MAX_WORDS):
                index = share[0] - 1 if side < 0 else share[-1] + 1
                if not 0 <= index < len(units) or index in taken or not units[index]:
                    break
                longer = [index, *share] if side < 0 else [*share, index]
                before = log_probability(clip, share) if before is None else before
                after = log_probability(clip, longer)
                if before - after > MAX_LOSS or after == float("-inf"):
                    break
                share[:], before = longer, after
                taken.add(index)
    return found

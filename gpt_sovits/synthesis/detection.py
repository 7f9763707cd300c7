"""Whether a sentence was spoken, judging by its semantic tokens and its sound, while there is time to try again.

This module recognises no words. metrics/failures.py measures speech by what a recogniser understood.
"""

from __future__ import annotations

import numpy as np

from gpt_sovits.synthesis.preset import TOKENS_PER_SECOND

# From best to worst: after a runaway or a loop all of the text may have been said, after the others it was not.
OUTCOMES = ("spoken", "runaway", "looped", "skipped", "cut_off", "empty")

MIN_LENGTH_RATIO = 0.5  # reading aloud varies by a third at most, and half the time means half the text
MAX_LENGTH_RATIO = 2.0  # twice the time means that words were repeated, or a long silence
LENGTH_SLACK_SECONDS = 0.5  # pauses before and after weigh much in a sentence of one word
LOOP_SECONDS = 2.0  # neither speech nor a pause stays the same for this long
LOOP_ROUNDS = 3
LONGEST_ROUND_SECONDS = 4.0  # a clause
# Of 612 sentences by the starter base, those of usual length skipped at most 3 consecutive phonemes, the others 4 to 66
MAX_UNREAD = 3
SILENT_DBFS = -60.0  # quieter than the noise floor of a quiet recording


def detect_outcome(
    tokens: np.ndarray, ended_by_itself: bool, expected_tokens: float, waveform: np.ndarray, n_unread: int = 0
) -> str:
    """Return the outcome of a spoken sentence, one of OUTCOMES.

    - empty: it has no tokens or no sound.
    - looped: a stretch of at least LOOP_SECONDS consists of LOOP_ROUNDS or more equal rounds.
    - runaway: the length bound ended the sentence, or it is longer than MAX_LENGTH_RATIO times the expected length
      plus LENGTH_SLACK_SECONDS.
    - cut_off: the sentence ended by itself at less than MIN_LENGTH_RATIO of the expected length.
    - skipped: more than MAX_UNREAD consecutive phonemes were not read, so a clause or the end is missing.
    - spoken: nothing of the above.

    Args:
        tokens: (n,) int, the semantic tokens.
        ended_by_itself: False where the length bound ended them.
        expected_tokens: number of tokens at the voice's pace.
        waveform: (n_samples,) in [-1, 1].
        n_unread: length of the longest run of phonemes that were not read, see gpt_sovits/gpt/reading.py.
    """
    longest = MAX_LENGTH_RATIO * expected_tokens + LENGTH_SLACK_SECONDS * TOKENS_PER_SECOND
    if len(tokens) == 0 or is_silent(waveform):
        return "empty"
    if has_loop(tokens):
        return "looped"
    if not ended_by_itself or len(tokens) > longest:
        return "runaway"
    if len(tokens) < MIN_LENGTH_RATIO * expected_tokens:
        return "cut_off"
    return "skipped" if n_unread > MAX_UNREAD else "spoken"


def is_silent(waveform: np.ndarray) -> bool:
    """Return whether the level of (n,) samples is below SILENT_DBFS. No samples are silence."""
    if len(waveform) == 0:
        return True
    return not np.sqrt(np.mean(np.square(waveform, dtype=np.float64))) >= 10 ** (SILENT_DBFS / 20)


def has_loop(tokens: np.ndarray) -> bool:
    """Return whether (n,) int tokens hold LOOP_ROUNDS or more equal rounds that last LOOP_SECONDS or more."""
    least = round(LOOP_SECONDS * TOKENS_PER_SECOND)
    for period in range(1, min(round(LONGEST_ROUND_SECONDS * TOKENS_PER_SECOND), len(tokens) // LOOP_ROUNDS) + 1):
        repeated = tokens[period:] == tokens[:-period]
        breaks = np.flatnonzero(np.concatenate(([True], ~repeated, [True])))
        if period + np.diff(breaks).max() - 1 >= max(least, LOOP_ROUNDS * period):
            return True
    return False

"""Whether a sentence was spoken, told from its semantic tokens and its sound, while there is still time to try again.

This hears no words; metrics/failures.py judges speech from what a recogniser heard.
"""

from __future__ import annotations

import numpy as np

from gpt_sovits.synthesis.preset import TOKENS_PER_SECOND

# From best to worst: after a runaway or a loop all of the text may have been said, after the others it was not.
OUTCOMES = ("spoken", "runaway", "looped", "skipped", "cut_off", "empty")

MIN_LENGTH_SHARE = 0.5  # reading aloud varies by a third at most; half the time means half the text
MAX_LENGTH_SHARE = 2.0  # twice the time: words said again, or a long silence
LENGTH_SLACK_SECONDS = 0.5  # pauses before and after weigh much in a sentence of one word
LOOP_SECONDS = 2.0  # the same for so long is no sound of speech, and too long for a pause
LOOP_ROUNDS = 3
LONGEST_ROUND_SECONDS = 4.0  # a clause
# Phonemes: of 612 takes of the starter base those of usual length left at most so many on end, the others 4 to 66.
MAX_UNREAD = 3
SILENT_DBFS = -60.0  # quieter than the noise floor of a quiet recording


def outcome_of(
    tokens: np.ndarray, ended_by_itself: bool, expected_tokens: float, waveform: np.ndarray, n_unread: int = 0
) -> str:
    """One of OUTCOMES.

    tokens: (n,) int; ended_by_itself: False where the length bound ended them; expected_tokens: at the voice's pace
    waveform: (n_samples,) in [-1, 1]; n_unread: phonemes on end that were not read, see gpt_sovits/gpt/reading.py

    empty     no tokens, or no sound
    looped    a stretch of LOOP_SECONDS or more repeats itself LOOP_ROUNDS times or more
    runaway   no end was found before the length bound, or one at more than MAX_LENGTH_SHARE of the expected length
              and LENGTH_SLACK_SECONDS
    cut_off   ended by itself at less than MIN_LENGTH_SHARE of the expected length
    skipped   more than MAX_UNREAD phonemes on end were not read: a clause is missing, or the end
    """
    longest = MAX_LENGTH_SHARE * expected_tokens + LENGTH_SLACK_SECONDS * TOKENS_PER_SECOND
    if len(tokens) == 0 or is_silent(waveform):
        return "empty"
    if loops(tokens):
        return "looped"
    if not ended_by_itself or len(tokens) > longest:
        return "runaway"
    if len(tokens) < MIN_LENGTH_SHARE * expected_tokens:
        return "cut_off"
    return "skipped" if n_unread > MAX_UNREAD else "spoken"


def is_silent(waveform: np.ndarray) -> bool:
    """Whether the level of (n,) samples is below SILENT_DBFS; no samples are silence."""
    if len(waveform) == 0:
        return True
    return not np.sqrt(np.mean(np.square(waveform, dtype=np.float64))) >= 10 ** (SILENT_DBFS / 20)


def loops(tokens: np.ndarray) -> bool:
    """Whether a stretch of at least LOOP_SECONDS is LOOP_ROUNDS or more rounds of the same tokens. tokens: (n,) int"""
    least = round(LOOP_SECONDS * TOKENS_PER_SECOND)
    for period in range(1, min(round(LONGEST_ROUND_SECONDS * TOKENS_PER_SECOND), len(tokens) // LOOP_ROUNDS) + 1):
        repeated = tokens[period:] == tokens[:-period]
        breaks = np.flatnonzero(np.concatenate(([True], ~repeated, [True])))
        if period + np.diff(breaks).max() - 1 >= max(least, LOOP_ROUNDS * period):
            return True
    return False

"""Which recordings hold the same sound under other bytes: another format, gain, title, rate, or trimmed."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from stages.recordings.sound.twins import find_twins, linked_groups
from stages.tables import Recording, Reject

MIN_SHARE = 0.8  # of both recordings, which the other must hold: shorter parts are found among the clips by align


class MeasuredRecording(NamedTuple):
    """A recording, and what it is recognised by.

    Attributes:
        row: its row in the table.
        fingerprint: (n_words,) uint32, see sound/fingerprint.py.
    """

    row: Recording
    fingerprint: np.ndarray


def mark_duplicates(
    measured: Sequence[MeasuredRecording], policy: Literal["report", "exclude"]
) -> tuple[list[Recording], list[Reject]]:
    """Find recordings that hold the same sound, and keep the best one of them.

    The best has a transcript, then the wider bandwidth, to a kilohertz, then more sound. Recordings of the same sound
    whose transcripts differ are all kept. The stage align finds the right text by the sound and keeps one of each clip.

    Args:
        measured: all recordings.
        policy: whether the others are only marked in their column `duplicate_of`, or excluded.

    Returns:
        The recordings sorted by path, and the rejects.
    """
    kept, rejects = [], []
    twins = find_twins([one.fingerprint for one in measured])
    links = [(one.first, one.second) for one in twins if min(one.first_share, one.second_share) >= MIN_SHARE]
    for group in linked_groups(links, len(measured)):
        best, *others = sorted((measured[index].row for index in group), key=_preference)
        kept.append(best)
        texts = {_spoken_letters(row.transcript) for row in (best, *others) if row.transcript is not None}
        for other in others:
            if policy == "exclude" and len(texts) <= 1:
                reason = f"the same sound as {best.path}"
                rejects.append(Reject(path=other.path, reason=reason, seconds=other.seconds))
            else:
                kept.append(other.model_copy(update={"duplicate_of": best.path}))
    return sorted(kept, key=lambda row: row.path), rejects


def _preference(row: Recording) -> tuple[bool, int, int, str]:
    """Return a key by which the best of equal recordings is sorted first."""
    return (row.transcript is None, -round((row.bandwidth_hz or 0) / 1000), -math.floor(row.seconds), row.path)


def _spoken_letters(text: str) -> str:
    """Return the letters and digits of a text, so that capitals and punctuation make no difference."""
    return "".join(character for character in unicodedata.normalize("NFKC", text).casefold() if character.isalnum())

"""When each phone of a known text is said, by the phone posteriors of a content encoder: a Viterbi search.

It finds the phones also where a dictionary lacks a word, because the front end pronounces every word.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gpt_sovits.text.english.normalization import spoken_form
from gpt_sovits.text.english.phonemes import pronounce
from starter.phones import NUMBER_OF, SILENCE, from_festival

IMPOSSIBLE = -1e9
STAY, NEXT, SKIP = 0, 1, 2  # how a frame follows the one before


class Alignment(NamedTuple):
    """The phones of an utterance.

    Attributes:
        phones: (phone, its end in seconds) in order.
        score: The mean log posterior of the phones over all frames, at most 0. It is low where the text is not what
            the speech says.
    """

    phones: list[tuple[str, float]]
    score: float


def spoken_phones(text: str) -> list[str]:
    """Return the phones of an English text, with a silence before, between and after its words."""
    phones = [SILENCE]
    for word in re.findall(r"[A-Za-z']*[A-Za-z][A-Za-z']*", spoken_form(text)):
        phones += [from_festival(sound.rstrip("012").lower()) for sound in pronounce(word)]
        phones.append(SILENCE)
    return phones


def align_text(log_posteriors: np.ndarray, text: str, frame_seconds: float) -> Alignment | None:
    """Align an English text, or return None where it has no words or more phones than there are frames.

    Args:
        log_posteriors: (n_frames, n_phones) of the speech.
        text: What is said.
        frame_seconds: Duration of a frame.
    """
    phones = spoken_phones(text)
    n_spoken = sum(phone != SILENCE for phone in phones)
    if not 0 < n_spoken <= len(log_posteriors):
        return None
    found, score = align(log_posteriors, phones)
    return Alignment([(phone, end * frame_seconds) for phone, end in found], score)


def align(log_posteriors: np.ndarray, phones: Sequence[str]) -> tuple[list[tuple[str, int]], float]:
    """Find the phones of a text in its sound. A silence may be left out.

    Args:
        log_posteriors: (n_frames, n_phones) of the sound.
        phones: What is said, silences included.

    Returns:
        The phones that are there with the frames at which they end, and the mean log posterior of their frames.

    Raises:
        ValueError: There are fewer frames than phones.
    """
    numbers = np.array([NUMBER_OF[phone] for phone in phones])
    is_silence = numbers == NUMBER_OF[SILENCE]
    n_frames, n = len(log_posteriors), len(numbers)
    if n_frames < (~is_silence).sum():
        raise ValueError(f"{n_frames} frames are too few for {int((~is_silence).sum())} phones; check the text")
    heard = log_posteriors[:, numbers]
    # A phone follows the one before it, or the one before a silence that is left out
    may_skip = np.zeros(n, dtype=bool)
    may_skip[2:] = is_silence[1:-1]
    scores = np.full(n, IMPOSSIBLE)
    first = np.flatnonzero(~is_silence)[0]
    scores[: first + 1] = heard[0, : first + 1]
    steps = np.zeros((n_frames, n), dtype=np.int8)
    before = np.full((3, n), IMPOSSIBLE)
    for frame in range(1, n_frames):
        before[STAY] = scores
        before[NEXT, 1:] = scores[:-1]
        before[SKIP, 2:] = np.where(may_skip[2:], scores[:-2], IMPOSSIBLE)
        steps[frame] = before.argmax(axis=0)
        scores = before.max(axis=0) + heard[frame]
    last = np.flatnonzero(~is_silence)[-1]
    at = last + int(scores[last:].argmax())
    found: list[tuple[str, int]] = [(phones[at], n_frames)]
    total = scores[at]
    for frame in range(n_frames - 1, 0, -1):
        step = int(steps[frame, at])
        if step != STAY:
            at -= step
            found.append((phones[at], frame))
    return found[::-1], float(total / n_frames)

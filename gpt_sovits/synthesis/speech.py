"""What comes out of a synthesis: sound, what happened to each sentence, and how long it took."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from gpt_sovits.synthesis.detection import OUTCOMES


@dataclass(frozen=True)
class Timings:
    """Seconds of work by part, on the wall clock. A sentence of a batch is charged its share of the batch's tokens."""

    text: float = 0.0
    gpt: float = 0.0
    sovits: float = 0.0

    @property
    def total(self) -> float:
        return self.text + self.gpt + self.sovits

    def __add__(self, other: Timings) -> Timings:
        return Timings(self.text + other.text, self.gpt + other.gpt, self.sovits + other.sovits)


@dataclass(frozen=True)
class SentenceReport:
    """What happened to one sentence.

    text: as it was cut out of the text; seed: of the attempt that was kept; n_retries: attempts after the first
    outcome: one of detection.OUTCOMES; "spoken" is the good one, another is the best of all attempts
    n_tokens, expected_tokens: semantic tokens, 25 a second, made and expected at the voice's pace
    ended_by_itself: False where the length bound cut it; n_samples: of its sound, without pauses
    """

    text: str
    seed: int
    n_retries: int
    outcome: str
    n_tokens: int
    expected_tokens: float
    ended_by_itself: bool
    n_samples: int

    def __post_init__(self) -> None:
        assert self.outcome in OUTCOMES, self.outcome


@dataclass(frozen=True)
class Speech:
    """waveform: (n_samples,) float32 in [-1, 1] at sample_rate Hz; sentences: in the order of the text."""

    waveform: np.ndarray
    sample_rate: int
    sentences: tuple[SentenceReport, ...]
    timings: Timings

    @property
    def ended_by_itself(self) -> bool:
        """False where the length bound cut a sentence off."""
        return all(sentence.ended_by_itself for sentence in self.sentences)

    @property
    def failures(self) -> tuple[SentenceReport, ...]:
        """The sentences that were not spoken well, by their reports."""
        return tuple(sentence for sentence in self.sentences if sentence.outcome != "spoken")


def join(pieces: Iterable[np.ndarray], pause: np.ndarray) -> np.ndarray:
    """The pieces, (n,) float32 each and at least one, with the pause between them."""
    parts: list[np.ndarray] = []
    for piece in pieces:
        parts += [pause, piece] if parts else [piece]
    return np.concatenate(parts)

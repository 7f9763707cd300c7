"""The result of a synthesis: sound, what happened to each sentence, and how long it took."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from gpt_sovits.synthesis.detection import OUTCOMES
from gpt_sovits.synthesis.words import Word


@dataclass(frozen=True)
class Timings:
    """Seconds of work per part, by the wall clock.

    A sentence of a batch is charged its share of the batch's tokens or samples.
    """

    text: float = 0.0
    gpt: float = 0.0
    sovits: float = 0.0

    @property
    def total(self) -> float:
        """Return the seconds of all parts together."""
        return self.text + self.gpt + self.sovits

    def __add__(self, other: Timings) -> Timings:
        return Timings(self.text + other.text, self.gpt + other.gpt, self.sovits + other.sovits)


@dataclass(frozen=True)
class SentenceReport:
    """What happened to one sentence.

    Attributes:
        text: the sentence as it stands in the text.
        seed: seed of the attempt that was kept.
        n_retries: number of attempts after the first.
        outcome: one of detection.OUTCOMES. "spoken" is the good one, any other is the best of all attempts.
        n_tokens: semantic tokens that were made, 25 per second.
        expected_tokens: semantic tokens expected at the voice's pace.
        ended_by_itself: False where the length bound cut the sentence off.
        n_samples: samples of the sentence's sound as it is played, without pauses.
        n_left_out: samples of silence at its beginning that are not played, see onset.py.
        words: when its words are said, in seconds from the begin of its sound. None where nobody asked.
    """

    text: str
    seed: int
    n_retries: int
    outcome: str
    n_tokens: int
    expected_tokens: float
    ended_by_itself: bool
    n_samples: int
    n_left_out: int = 0
    words: tuple[Word, ...] | None = None

    def __post_init__(self) -> None:
        assert self.outcome in OUTCOMES, self.outcome


@dataclass(frozen=True)
class Speech:
    """The speech of one text.

    Attributes:
        waveform: (n_samples,) float32 in [-1, 1].
        sample_rate: samples per second.
        sentences: one report per sentence, in the order of the text.
        timings: seconds of work.
    """

    waveform: np.ndarray
    sample_rate: int
    sentences: tuple[SentenceReport, ...]
    timings: Timings

    @property
    def ended_by_itself(self) -> bool:
        """Return False where the length bound cut a sentence off."""
        return all(sentence.ended_by_itself for sentence in self.sentences)

    @property
    def failures(self) -> tuple[SentenceReport, ...]:
        """Return the reports of the sentences that were not spoken well."""
        return tuple(sentence for sentence in self.sentences if sentence.outcome != "spoken")


def join(pieces: Iterable[np.ndarray], pause: np.ndarray) -> np.ndarray:
    """Join one or more pieces, (n,) float32 each, with the pause between them."""
    parts: list[np.ndarray] = []
    for piece in pieces:
        parts += [pause, piece] if parts else [piece]
    return np.concatenate(parts)

"""Which names are misread, and how likely the judge's own mistakes explain it.

A judge that mishears common names in a share p of the sentences mishears a name n times in a row with p to the power of
n. A name counts as misread only where that is unlikely, and the finding says how unlikely.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from campaigns.pronunciation.hearing import Hearing, Match
from campaigns.pronunciation.sampling import Name

MAX_CHANCE = 0.05  # of a single name


class Status(StrEnum):
    """What became of a name."""

    RIGHT = "right"
    MISREAD = "misread"
    GUESSED = "guessed"  # it was said as the rules guess it, and nobody confirmed that this is right
    UNSURE = "unsure"


MEANINGS = {
    Status.RIGHT: "it was heard in most of the readings",
    Status.MISREAD: "something else was heard in every reading; add it to the lexicon",
    Status.GUESSED: "no dictionary has it, and it was said as the rules guess; add it to the lexicon if that is wrong",
    Status.UNSURE: "it was heard in some readings, or the judge mishears common names as often; listen to it",
}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What became of a name.

    Attributes:
        name: The name.
        hearings: Each reading of it as the judge heard it.
        status: What follows.
        chance: Probability that the judge alone mishears a name that is said right as often as this one, 0 to 1.
        phonemes: Symbols with which it was said, for the lexicon.
    """

    name: Name
    hearings: tuple[Hearing, ...]
    status: Status
    chance: float
    phonemes: str

    @property
    def heard(self) -> str:
        """Return what was heard most often besides the name, empty where nothing was."""
        others = Counter(hearing.heard for hearing in self.hearings if hearing.match is not Match.WRITTEN)
        return max(sorted(others), key=others.__getitem__, default="")


def judge_name(name: Name, hearings: Sequence[Hearing], *, control_rate: float, phonemes: str) -> Finding:
    """Return what follows from the readings of a name.

    Args:
        name: The name.
        hearings: Each reading of it, at least one.
        control_rate: Share of common names that the judge mishears, 0 to 1.
        phonemes: Symbols with which it was said.
    """
    counts = Counter(hearing.match for hearing in hearings)
    n_readings, n_other = len(hearings), counts[Match.OTHER]
    n_heard = counts[Match.WRITTEN] + (counts[Match.SOUNDS_ALIKE] if name.is_known else 0)
    chance = chance_of(n_other, n_readings, control_rate)
    if 2 * n_heard > n_readings:
        status = Status.RIGHT
    elif n_other == n_readings and chance <= MAX_CHANCE:
        status = Status.MISREAD
    elif not name.is_known and 2 * (counts[Match.WRITTEN] + counts[Match.SOUNDS_ALIKE]) > n_readings:
        status = Status.GUESSED
    else:
        status = Status.UNSURE
    return Finding(name=name, hearings=tuple(hearings), status=status, chance=chance, phonemes=phonemes)


def control_rate_of(hearings: Sequence[Hearing]) -> float:
    """Return the share of common names that a judge mishears, with one of each outcome added (Laplace)."""
    n_other = sum(hearing.match is Match.OTHER for hearing in hearings)
    return (n_other + 1) / (len(hearings) + 2)


def chance_of(n_other: int, n_readings: int, rate: float) -> float:
    """Return the probability of at least `n_other` mistakes in `n_readings` where each has the probability `rate`."""
    from scipy.stats import binom

    return float(binom.sf(n_other - 1, n_readings, rate)) if n_other else 1.0

"""Blind A/B votes: how many listeners preferred which side, and what that proves at any moment of the listening.

Listeners stop when they like, so a test for a fixed number of votes would find a preference by chance far too often.
This one is a test martingale: the likelihood of the votes under "the candidate is preferred with probability p", mixed
evenly over p in (s, 1), against p = s. Where the candidate's share is at most s (at every vote, given those before it),
the mean of the martingale never grows. So it reaches 1 / level with probability `level` at most, at whatever vote one
stops (Ville, "Étude critique de la notion de collectif", 1939. The beta mixture: Robbins, "Statistical Methods Related
to the Law of the Iterated Logarithm", 1970). The same with the sides exchanged tests whether the share is smaller than
s. "Preferred" means s = 1/2.

Votes of one listener, or on one prompt, need not be independent: which side is A is drawn anew for each vote, so where
nobody can hear a difference every vote is a fair coin. "No difference" is counted and changes no test.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Literal

from scipy.special import betainc, betaln

LEVEL = 0.05  # of each side's claim, over the whole listening


@dataclass(frozen=True)
class PreferenceVotes:
    """Blind votes on one candidate against one champion. Every count is 0 or more.

    Attributes:
        n_candidate: Votes that preferred the candidate.
        n_champion: Votes that preferred the champion.
        n_ties: Votes for "no difference".
        n_listeners: How many people voted.
    """

    n_candidate: int
    n_champion: int
    n_ties: int
    n_listeners: int

    def __post_init__(self) -> None:
        if negative := {name: value for name, value in asdict(self).items() if value < 0}:
            raise ValueError(f"counts of votes must be 0 or more, got {negative}")

    @property
    def n_votes(self) -> int:
        """Return the number of votes, ties included."""
        return self.n_candidate + self.n_champion + self.n_ties


@dataclass(frozen=True)
class PreferenceTest:
    """What the votes so far prove. It is valid at any time, however often one looks.

    Attributes:
        preferred: The side that is shown to be preferred, or None while there is not enough evidence.
        e_candidate: Evidence that the candidate is preferred: 1 / level or more proves it.
        e_champion: The same for the champion.
        share: Votes for the candidate among those with a preference, or None without any.
        share_low: Lower end of the share's confidence sequence in [0, 1]. Both ends hold at 1 - level, at every look.
        share_high: Upper end.
    """

    preferred: Literal["candidate", "champion"] | None
    e_candidate: float
    e_champion: float
    share: float | None
    share_low: float
    share_high: float


def preference_test(votes: PreferenceVotes, level: float = LEVEL) -> PreferenceTest:
    """Run the sequential binomial test.

    Args:
        votes: So far.
        level: Chance of a false claim for each side over the whole listening, in (0, 1).

    Raises:
        ValueError: Where the level is not in (0, 1).
    """
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; it must be a chance of error between 0 and 1, such as {LEVEL}")
    won, lost = votes.n_candidate, votes.n_champion
    for_candidate, for_champion = _log_evidence(won, lost, 0.5), _log_evidence(lost, won, 0.5)
    needed = -math.log(level)
    preferred = "candidate" if for_candidate >= needed else "champion" if for_champion >= needed else None
    low, high = share_bounds(votes, level / 2)
    return PreferenceTest(
        preferred=preferred,
        e_candidate=math.exp(min(for_candidate, 700.0)),  # beyond it a float overflows
        e_champion=math.exp(min(for_champion, 700.0)),
        share=won / (won + lost) if won + lost else None,
        share_low=low,
        share_high=high,
    )


def p_above(votes: PreferenceVotes, share: float) -> float:
    """Return an always-valid p-value: a small one is evidence that the candidate's share of votes exceeds `share`."""
    return math.exp(min(0.0, -_log_evidence(votes.n_candidate, votes.n_champion, share)))


def p_below(votes: PreferenceVotes, share: float) -> float:
    """Return an always-valid p-value: a small one is evidence that the candidate's share of votes is below `share`."""
    return math.exp(min(0.0, -_log_evidence(votes.n_champion, votes.n_candidate, 1 - share)))


def share_bounds(votes: PreferenceVotes, level: float) -> tuple[float, float]:
    """Return two one-sided bounds of the candidate's share, in [0, 1].

    Each is wrong with probability `level` at most over the whole listening. The lower bound is the share at which
    `p_above` is `level`: the evidence only falls as the share rises.
    """
    won, lost = votes.n_candidate, votes.n_champion
    return _lower_bound(won, lost, level), 1 - _lower_bound(lost, won, level)


def _lower_bound(won: int, lost: int, level: float) -> float:
    if won == 0:
        return 0.0
    from scipy.optimize import brentq  # a third of a second, which only votes need

    return float(brentq(lambda share: _log_evidence(won, lost, share) + math.log(level), 1e-300, 1 - 1e-12))


def _log_evidence(won: int, lost: int, share: float) -> float:
    """Return the log of the mean over p in (share, 1) of p^won (1 - p)^lost, over share^won (1 - share)^lost."""
    assert 0 < share < 1, share
    tail = float(betainc(lost + 1, won + 1, 1 - share))  # 1 - I_share(won + 1, lost + 1), without the cancellation
    if tail == 0.0:
        return -math.inf
    mixture = float(betaln(won + 1, lost + 1)) + math.log(tail) - math.log1p(-share)
    return mixture - won * math.log(share) - lost * math.log1p(-share)

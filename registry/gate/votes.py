"""Listeners' blind votes as one more metric: a sequential binomial test, ties left out.

Listeners stop when they like and the gate may be asked after every vote: its p-values are those that stay right then,
see registry/gate/preference.py.
"""

from __future__ import annotations

from registry.gate.policy import Preference
from registry.gate.preference import PreferenceVotes, p_above, p_below, share_bounds
from registry.verdicts.verdict import PreferenceCheck

NOBODY = PreferenceVotes(n_candidate=0, n_champion=0, n_ties=0, n_listeners=0)


def p_values_of(rule: Preference, votes: PreferenceVotes | None) -> tuple[float, float]:
    """Small: the candidate's share is above `worse_than`; small: it is below. Both 1 with fewer votes than wanted."""
    votes = votes or NOBODY
    if votes.n_candidate + votes.n_champion < rule.min_votes:
        return 1.0, 1.0
    return p_above(votes, rule.worse_than), p_below(votes, rule.worse_than)


def count_votes(
    rule: Preference, votes: PreferenceVotes | None, level: float, shown: bool, refuted: bool
) -> PreferenceCheck:
    """The votes and what they show. level: of the share's one-sided bounds."""
    votes = votes or NOBODY
    won, lost = votes.n_candidate, votes.n_champion
    p_not_worse, p_worse = p_values_of(rule, votes)
    low, high = share_bounds(votes, level)
    return PreferenceCheck(
        n_candidate=votes.n_candidate,
        n_champion=votes.n_champion,
        n_ties=votes.n_ties,
        n_listeners=votes.n_listeners,
        min_votes=rule.min_votes,
        share=won / (won + lost) if won + lost else None,
        low=low,
        high=high,
        worse_than=rule.worse_than,
        p_not_worse=p_not_worse,
        p_worse=p_worse,
        reason=rule.reason,
        outcome="not_worse" if shown else "worse" if refuted else "unclear",
    )

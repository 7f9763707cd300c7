"""Listeners' blind votes as one more metric: a sequential binomial test, ties left out.

Listeners stop when they like, and the gate may run after every vote. Its p-values stay valid then, see preference.py.
"""

from __future__ import annotations

from registry.gate.decision import PreferenceCheck
from registry.gate.policy import Preference
from registry.gate.preference import PreferenceVotes, p_above, p_below, share_bounds

NO_VOTES = PreferenceVotes(n_candidate=0, n_champion=0, n_ties=0, n_listeners=0)


def vote_p_values(rule: Preference, votes: PreferenceVotes | None) -> tuple[float, float]:
    """Return (p_not_worse, p_worse). Both are 1 with fewer votes than the rule requires.

    A small p_not_worse is evidence that the candidate's share of votes exceeds `worse_than`, and a small p_worse that
    the share is below it.
    """
    votes = votes or NO_VOTES
    if votes.n_candidate + votes.n_champion < rule.min_votes:
        return 1.0, 1.0
    return p_above(votes, rule.worse_than), p_below(votes, rule.worse_than)


def check_votes(
    rule: Preference, votes: PreferenceVotes | None, *, level: float, shown: bool, refuted: bool
) -> PreferenceCheck:
    """Return the votes and what they show.

    Args:
        rule: How many votes are required, and which share is worse.
        votes: The votes, None for none.
        level: Of the share's one-sided bounds.
        shown: Whether Holm's procedure shows that the candidate is not worse.
        refuted: Whether it shows that the candidate is worse.
    """
    votes = votes or NO_VOTES
    n_decided = votes.n_candidate + votes.n_champion
    p_not_worse, p_worse = vote_p_values(rule, votes)
    low, high = share_bounds(votes, level)
    return PreferenceCheck(
        n_candidate=votes.n_candidate,
        n_champion=votes.n_champion,
        n_ties=votes.n_ties,
        n_listeners=votes.n_listeners,
        min_votes=rule.min_votes,
        share=votes.n_candidate / n_decided if n_decided else None,
        low=low,
        high=high,
        worse_than=rule.worse_than,
        p_not_worse=p_not_worse,
        p_worse=p_worse,
        reason=rule.reason,
        outcome="not_worse" if shown else "worse" if refuted else "unclear",
    )

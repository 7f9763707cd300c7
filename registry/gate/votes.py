"""Listeners' blind votes as one more metric: an exact binomial test, ties left out (the sign test).

It is exact for a number of votes that was agreed on before, which is what `min_votes` is for. Who stops as soon as the
count pleases wants the sequential test of the listening page.
"""

from __future__ import annotations

from scipy.special import bdtr, bdtrc, betaincinv

from registry.policy import Preference
from registry.preference import PreferenceVotes
from registry.verdict import PreferenceCheck

NOBODY = PreferenceVotes(n_candidate=0, n_champion=0, n_ties=0, n_listeners=0)


def p_values_of(rule: Preference, votes: PreferenceVotes | None) -> tuple[float, float]:
    """Chance of so many (so few) votes for the candidate if its share were `worse_than`; 1 with too few votes."""
    votes = votes or NOBODY
    won, n_votes = votes.n_candidate, votes.n_candidate + votes.n_champion
    if n_votes < rule.min_votes:
        return 1.0, 1.0
    at_least = 1.0 if won == 0 else float(bdtrc(won - 1, n_votes, rule.worse_than))
    return at_least, float(bdtr(won, n_votes, rule.worse_than))


def count_votes(
    rule: Preference, votes: PreferenceVotes | None, level: float, shown: bool, refuted: bool
) -> PreferenceCheck:
    """The votes and what they show. level: of the share's one-sided bounds (Clopper and Pearson, 1934)."""
    votes = votes or NOBODY
    won, lost = votes.n_candidate, votes.n_champion
    p_not_worse, p_worse = p_values_of(rule, votes)
    return PreferenceCheck(
        n_candidate=won,
        n_champion=lost,
        n_ties=votes.n_ties,
        n_listeners=votes.n_listeners,
        min_votes=rule.min_votes,
        share=won / (won + lost) if won + lost else None,
        low=float(betaincinv(won, lost + 1, level)) if won else 0.0,
        high=float(betaincinv(won + 1, lost, 1 - level)) if lost else 1.0,
        worse_than=rule.worse_than,
        p_not_worse=p_not_worse,
        p_worse=p_worse,
        reason=rule.reason,
        outcome="not_worse" if shown else "worse" if refuted else "unclear",
    )

"""Candidate against champion: non-inferiority, superiority and votes, Holm over what is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from metrics.scores import SMALLER_IS_BETTER
from registry.gate.needed import more_needed, variances
from registry.gate.noninferiority import Bootstrap, PairedLoss, holm, paired_loss
from registry.gate.policy import GatePolicy, Margin, Superiority
from registry.gate.preference import PreferenceVotes
from registry.gate.tables import ScoreTable
from registry.gate.votes import count_votes, p_values_of
from registry.verdicts.verdict import Comparison, PreferenceCheck


def compare(
    policy: GatePolicy, candidate: ScoreTable, champion: ScoreTable, votes: PreferenceVotes | None
) -> tuple[tuple[Comparison, ...], PreferenceCheck | None]:
    """Each margin of the policy, its superiority rule, and the listeners' votes.

    Votes are one more metric of Holm's family: votes that may be missing are counted in it all the same. Superiority
    is asked on top of all others, at its own level.
    """
    level = 1 - policy.confidence
    losses = [_loss(policy, part.metric, candidate, champion) for part in policy.non_inferiority]
    beyond = [
        loss.beyond(part.margin, part.relative) for part, loss in zip(policy.non_inferiority, losses, strict=True)
    ]
    p_not_worse, p_worse = [one.p_below(0) for one in beyond], [one.p_above(0) for one in beyond]
    if policy.preference is not None:
        for values, p_value in zip((p_not_worse, p_worse), p_values_of(policy.preference, votes), strict=True):
            values.append(p_value)
    not_worse, worse = holm(p_not_worse, level), holm(p_worse, level)
    comparisons = []
    for index, part in enumerate(policy.non_inferiority):
        own_level, shown = not_worse[index]
        outcome = "not_worse" if shown else "worse" if worse[index][1] else "unclear"
        margin = losses[index].margin(part.margin, part.relative)
        tested = _Tested("non_inferiority", part, losses[index], beyond[index], margin, own_level, outcome)
        comparisons.append(_comparison(tested, candidate, champion, level))
    if policy.superiority is not None:
        comparisons.append(_comparison(_superiority(policy, candidate, champion, level), candidate, champion, level))
    preference = None
    if policy.preference is not None:
        preference = count_votes(policy.preference, votes, level, not_worse[-1][1], worse[-1][1])
    return tuple(comparisons), preference


@dataclass(frozen=True)
class _Tested:
    rule: Literal["non_inferiority", "superiority"]
    part: Margin | Superiority
    loss: PairedLoss
    beyond: Bootstrap  # the loss minus the margin: shown below 0, the candidate is not worse
    margin: float
    level: float
    outcome: Literal["not_worse", "worse", "unclear"]


def _superiority(policy: GatePolicy, candidate: ScoreTable, champion: ScoreTable, level: float) -> _Tested:
    part = policy.superiority
    paired = _loss(policy, part.metric, candidate, champion)
    loss = paired.loss
    beyond = Bootstrap(loss.value + part.at_least, loss.resampled + part.at_least, loss.n_prompts)
    outcome = "not_worse" if beyond.p_below(0) <= level else "worse" if beyond.p_above(0) <= level else "unclear"
    return _Tested("superiority", part, paired, beyond, -part.at_least, level, outcome)


def _comparison(tested: _Tested, candidate: ScoreTable, champion: ScoreTable, level: float) -> Comparison:
    metric, loss, beyond = tested.part.metric, tested.loss.loss, tested.beyond
    sign = 1 if SMALLER_IS_BETTER[metric] else -1
    low, high = sorted((sign * loss.lower(level), sign * loss.upper(level)))
    more_prompts = more_seeds = None
    if tested.outcome == "unclear":
        more_prompts, more_seeds = more_needed(abs(beyond.value), variances(metric, candidate, champion), tested.level)
    return Comparison(
        rule=tested.rule,
        metric=metric,
        unit=tested.part.unit,
        candidate=candidate.figure(metric),
        champion=champion.figure(metric),
        difference=_plain(sign * loss.value),
        low=_plain(low),
        high=_plain(high),
        bound=_plain(sign * (tested.margin + beyond.upper(tested.level))),
        margin=tested.margin,
        confidence=1 - tested.level,
        p_not_worse=beyond.p_below(0),
        p_worse=beyond.p_above(0),
        power=beyond.power(abs(tested.margin), tested.level),
        outcome=tested.outcome,
        more_prompts=more_prompts,
        more_seeds=more_seeds,
    )


def _loss(policy: GatePolicy, metric: str, candidate: ScoreTable, champion: ScoreTable) -> PairedLoss:
    ours, weights = candidate.parts(metric)
    theirs, _ = champion.parts(metric)
    return paired_loss(
        ours.sum(axis=1),
        theirs.sum(axis=1),
        weights.sum(axis=1),
        policy.n_resamples,
        policy.seed,
        larger_is_better=not SMALLER_IS_BETTER[metric],
    )


def _plain(value: float) -> float:
    """Without the last rounding errors of a sum, which would print an exact tie as -0.0000."""
    return round(value, 12) + 0.0

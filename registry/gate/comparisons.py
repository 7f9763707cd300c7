"""Compare candidate and champion: non-inferiority, superiority and votes, with Holm's correction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from metrics.scores import SMALLER_IS_BETTER
from registry.gate.decision import Comparison, Evidence, PreferenceCheck
from registry.gate.noninferiority import Bootstrap, PairedLoss, holm, paired_loss
from registry.gate.policy import GatePolicy, Margin, Superiority
from registry.gate.preference import PreferenceVotes
from registry.gate.sample_size import extra_samples, loss_variances
from registry.gate.tables import ScoreTable
from registry.gate.votes import check_votes, vote_p_values


def compare(
    candidate: ScoreTable, champion: ScoreTable, *, policy: GatePolicy, votes: PreferenceVotes | None
) -> tuple[tuple[Comparison, ...], PreferenceCheck | None]:
    """Test each margin of the policy, its superiority rule, and the listeners' votes.

    Votes are one more member of Holm's family. Where the policy asks for votes and there are none yet, they count as a
    member all the same. Superiority is tested in addition, at its own level.

    Args:
        candidate: Scores of the candidate.
        champion: Scores of the champion, on the same prompts and seeds.
        policy: The rules.
        votes: Listeners' votes between the two, where there are any.
    """
    level = 1 - policy.confidence
    # 1. The loss of each metric, and by how much it exceeds the margin.
    losses = [_loss(part.metric, candidate, champion, policy=policy) for part in policy.non_inferiority]
    excesses = [
        loss.beyond(part.margin, part.relative) for part, loss in zip(policy.non_inferiority, losses, strict=True)
    ]
    # 2. P-values of both claims, with the votes, and Holm's correction of each family.
    p_not_worse, p_worse = [one.p_below(0) for one in excesses], [one.p_above(0) for one in excesses]
    if policy.preference is not None:
        p_votes_not_worse, p_votes_worse = vote_p_values(policy.preference, votes)
        p_not_worse.append(p_votes_not_worse)
        p_worse.append(p_votes_worse)
    not_worse, worse = holm(p_not_worse, level), holm(p_worse, level)
    # 3. What each metric shows.
    tests = []
    for index, part in enumerate(policy.non_inferiority):
        own_level, is_shown = not_worse[index]
        outcome = "not_worse" if is_shown else "worse" if worse[index][1] else "unclear"
        margin = losses[index].margin(part.margin, part.relative)
        tests.append(_Test("non_inferiority", part, losses[index], excesses[index], margin, own_level, outcome))
    if policy.superiority is not None:
        tests.append(_superiority_test(candidate, champion, rule=policy.superiority, policy=policy))
    comparisons = tuple(_comparison(test, candidate, champion, level=level) for test in tests)
    # 4. What the votes show.
    preference = None
    if policy.preference is not None:
        preference = check_votes(policy.preference, votes, level=level, shown=not_worse[-1][1], refuted=worse[-1][1])
    return comparisons, preference


@dataclass(frozen=True)
class _Test:
    rule: Literal["non_inferiority", "superiority"]
    part: Margin | Superiority
    loss: PairedLoss
    excess: Bootstrap  # the loss minus the margin: shown to be below 0, the candidate is not worse
    margin: float
    level: float
    outcome: Evidence


def _superiority_test(candidate: ScoreTable, champion: ScoreTable, *, rule: Superiority, policy: GatePolicy) -> _Test:
    level = 1 - policy.confidence
    paired = _loss(rule.metric, candidate, champion, policy=policy)
    loss = paired.loss
    excess = Bootstrap(loss.value + rule.at_least, loss.resampled + rule.at_least, loss.n_prompts)
    outcome = "not_worse" if excess.p_below(0) <= level else "worse" if excess.p_above(0) <= level else "unclear"
    return _Test("superiority", rule, paired, excess, -rule.at_least, level, outcome)


def _comparison(test: _Test, candidate: ScoreTable, champion: ScoreTable, *, level: float) -> Comparison:
    """Return the record of a test. `level` is the one of the interval, before Holm's correction."""
    metric, loss, excess = test.part.metric, test.loss.loss, test.excess
    sign = 1 if SMALLER_IS_BETTER[metric] else -1
    low, high = sorted((sign * loss.lower(level), sign * loss.upper(level)))
    more_prompts = more_seeds = None
    if test.outcome == "unclear":
        seen = loss_variances(candidate, champion, metric=metric)
        more_prompts, more_seeds = extra_samples(abs(excess.value), seen, level=test.level)
    return Comparison(
        rule=test.rule,
        metric=metric,
        unit=candidate.unit(test.part),
        candidate=candidate.figure(metric),
        champion=champion.figure(metric),
        difference=_without_rounding_error(sign * loss.value),
        low=_without_rounding_error(low),
        high=_without_rounding_error(high),
        bound=_without_rounding_error(sign * (test.margin + excess.upper(test.level))),
        margin=test.margin,
        confidence=1 - test.level,
        p_not_worse=excess.p_below(0),
        p_worse=excess.p_above(0),
        power=excess.power(abs(test.margin), test.level),
        outcome=test.outcome,
        more_prompts=more_prompts,
        more_seeds=more_seeds,
    )


def _loss(metric: str, candidate: ScoreTable, champion: ScoreTable, *, policy: GatePolicy) -> PairedLoss:
    of_candidate, weights = candidate.summands(metric)
    of_champion, _ = champion.summands(metric)
    return paired_loss(
        of_candidate.sum(axis=1),
        of_champion.sum(axis=1),
        weights=weights.sum(axis=1),
        n_resamples=policy.n_resamples,
        seed=policy.seed,
        larger_is_better=not SMALLER_IS_BETTER[metric],
    )


def _without_rounding_error(value: float) -> float:
    """Drop the last rounding errors of a sum, which would print an exact tie as -0.0000."""
    return round(value, 12) + 0.0

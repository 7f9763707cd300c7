"""The gate: may this candidate replace the champion? Pure functions of two scorecards and a policy.

Fail closed: what is missing, NaN or not comparable raises CannotMeasure, and what is merely unproven is `inconclusive`.
An utterance that could not be spoken counts as all words wrong; it is never skipped.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable

import numpy as np

from metrics.scores import SMALLER_IS_BETTER, Scorecard, UtteranceScore, pooled
from registry.database import canonical, sha256_text
from registry.noninferiority import holm, paired_loss
from registry.policy import Bar, GatePolicy
from registry.verdict import Bound, CannotMeasure, Comparison, Judgement, Outcome

SHOWN = 5  # rows named in one reason; the count says how many there are


def judge(
    candidate: Scorecard,
    champion: Scorecard | None,
    policy: GatePolicy,
    first_release: bool = False,
    prompt_ids: Collection[str] | None = None,
) -> Judgement:
    """Judge a candidate by the bars and, if there is a champion, against it.

    first_release: a person asked for a release without a champion; only the bars count and the judgement says so.
    prompt_ids: every prompt of the set, where known: finds prompts that both scorecards lack.
    Raises CannotMeasure with every reason.
    """
    if faults := _faults(candidate, champion, policy, first_release, prompt_ids):
        raise CannotMeasure("; ".join(faults))
    rows = [_counted(row) for row in candidate.rows]
    champion_rows = [_counted(row) for row in champion.rows] if champion else []
    figures, champion_figures = pooled(rows), pooled(champion_rows) if champion else None
    bars = tuple(_hold_against(bar, figures) for bar in policy.bars)
    comparisons = _compare(rows, champion_rows, policy) if champion else ()
    outcome, reasons = _decide(bars, comparisons, first_release, champion is not None)
    return Judgement(
        outcome=outcome,
        reasons=reasons,
        first_release=first_release,
        figures=figures,
        champion_figures=champion_figures,
        failures=_failures(rows),
        champion_failures=_failures(champion_rows) if champion else None,
        bars=bars,
        comparisons=comparisons,
        n_prompts=len({row.prompt_id for row in rows}),
        n_utterances=len(rows),
        seeds=candidate.seeds,
        judges=candidate.judges,
        prompts_sha256=candidate.prompts_sha256,
        policy_sha256=policy_sha256(policy),
    )


def policy_sha256(policy: GatePolicy) -> str:
    """sha256 of the policy's canonical JSON."""
    return sha256_text(canonical(policy.model_dump(mode="json")))


def _faults(
    candidate: Scorecard,
    champion: Scorecard | None,
    policy: GatePolicy,
    first_release: bool,
    prompt_ids: Collection[str] | None,
) -> list[str]:
    """Everything that keeps the scores from being judged, in words."""
    faults = _faults_of_one("the candidate", candidate, policy.min_prompts, prompt_ids)
    if champion is None:
        return faults
    if first_release:
        faults.append("a first release was asked for, and there is a champion; judge against it")
    faults += _faults_of_one("the champion", champion, policy.min_prompts, prompt_ids)
    for name in ("voice", "judges", "prompts_sha256", "seeds"):
        ours, theirs = getattr(candidate, name), getattr(champion, name)
        if ours != theirs:
            faults.append(
                f"{name}: the candidate has {_short(ours)}, the champion {_short(theirs)}; "
                "score both again under the same ones"
            )
    ours, theirs = ({(row.prompt_id, row.seed): row for row in card.rows} for card in (candidate, champion))
    for who, missing in (("candidate", theirs.keys() - ours.keys()), ("champion", ours.keys() - theirs.keys())):
        if missing:
            faults.append(f"the {who} lacks {_some(f'{prompt} seed {seed}' for prompt, seed in missing)}")
    other = [f"{prompt} seed {seed}" for (prompt, seed), row in ours.items() if not _same_text(row, theirs)]
    if other:
        faults.append(f"the two were scored against different reference texts in {_some(other)}")
    return faults


def _faults_of_one(who: str, card: Scorecard, min_prompts: int, prompt_ids: Collection[str] | None) -> list[str]:
    faults = []
    keys = Counter((row.prompt_id, row.seed) for row in card.rows)
    prompts, seeds = {prompt for prompt, _ in keys}, set(card.seeds)
    if len(seeds) != len(card.seeds):
        faults.append(f"{who} names a seed twice: {card.seeds}")
    if not len(prompts) >= min_prompts:
        faults.append(f"{who} has {len(prompts)} scored prompts and gate.min_prompts is {min_prompts}")
    if prompt_ids is not None and prompts != set(prompt_ids):
        faults.append(f"{who} was not scored on exactly the prompt set: {_some(prompts ^ set(prompt_ids))}")
    if twice := [key for key, count in keys.items() if count > 1]:
        faults.append(f"{who} has more than one row for {_some(f'{prompt} seed {seed}' for prompt, seed in twice)}")
    wanted = {(prompt, seed) for prompt in prompts for seed in seeds}
    if missing := wanted - keys.keys():
        faults.append(f"{who} lacks rows for {_some(f'{prompt} seed {seed}' for prompt, seed in missing)}")
    if surplus := keys.keys() - wanted:
        faults.append(f"{who} has rows of unknown seeds: {_some(f'{prompt} seed {seed}' for prompt, seed in surplus)}")
    for why, found in (
        ("no audio and no named failure", [row for row in card.rows if not row.failures and not _has_audio(row)]),
        ("no similarity and no named failure", [row for row in card.rows if not row.failures and _nan(row)]),
    ):
        if found:
            faults.append(f"{who} has {why} in {_some(f'{row.prompt_id} seed {row.seed}' for row in found)}")
    return faults


def _has_audio(row: UtteranceScore) -> bool:
    return bool(row.audio) and bool(row.audio_sha256) and row.seconds > 0


def _nan(row: UtteranceScore) -> bool:
    return row.similarity is None or math.isnan(row.similarity)


def _same_text(row: UtteranceScore, others: dict[tuple[str, int], UtteranceScore]) -> bool:
    other = others.get((row.prompt_id, row.seed), row)  # a missing row is a fault of its own
    return (row.reference, row.n_words, row.n_chars) == (other.reference, other.n_words, other.n_chars)


def _counted(row: UtteranceScore) -> UtteranceScore:
    """The row as it counts: silence is all words wrong, and a failure without a measurable voice resembles nobody."""
    changes: dict[str, object] = {}
    if not _has_audio(row):
        changes["word_errors"] = max(row.word_errors, row.n_words)
        changes["char_errors"] = max(row.char_errors, row.n_chars)
    if _nan(row):
        changes["similarity"] = 0.0
    return row.model_copy(update=changes) if changes else row


def _hold_against(bar: Bar, figures: dict[str, float]) -> Bound:
    value = figures.get(bar.metric, math.nan)
    # `not <=` and not `>`: a NaN misses the bar
    if bar.at_most is not None:
        limit, direction, missed = bar.at_most, "at_most", not value <= bar.at_most
    else:
        limit, direction, missed = bar.at_least, "at_least", not value >= bar.at_least
    return Bound(metric=bar.metric, value=value, limit=limit, direction=direction, unit=bar.unit, holds=not missed)


def _compare(
    rows: list[UtteranceScore], champion_rows: list[UtteranceScore], policy: GatePolicy
) -> tuple[Comparison, ...]:
    """Each metric of the policy against the champion: the paired bootstrap, then Holm over the metrics."""
    level = 1 - policy.confidence
    losses = []
    for margin in policy.non_inferiority:
        ours, weights = _by_prompt(rows, margin.metric)
        theirs, _ = _by_prompt(champion_rows, margin.metric)
        sign = 1 if SMALLER_IS_BETTER[margin.metric] else -1
        losses.append(paired_loss(sign * (ours - theirs), weights, policy.n_resamples, policy.seed))
    pairs = list(zip(policy.non_inferiority, losses, strict=True))
    p_not_worse = [loss.p_below(margin.margin) for margin, loss in pairs]
    p_worse = [loss.p_above(margin.margin) for margin, loss in pairs]
    not_worse, worse = holm(p_not_worse, level), holm(p_worse, level)
    figures, champion_figures = pooled(rows), pooled(champion_rows)
    comparisons = []
    for index, (margin, loss) in enumerate(pairs):
        sign = 1 if SMALLER_IS_BETTER[margin.metric] else -1
        own_level, shown = not_worse[index]
        comparisons.append(
            Comparison(
                metric=margin.metric,
                unit=margin.unit,
                candidate=figures[margin.metric],
                champion=champion_figures[margin.metric],
                difference=_plain(sign * loss.value),
                bound=_plain(sign * loss.upper(own_level)),
                margin=margin.margin,
                confidence=1 - own_level,
                p_not_worse=p_not_worse[index],
                p_worse=p_worse[index],
                power=loss.power(margin.margin, own_level),
                outcome="not_worse" if shown else "worse" if worse[index][1] else "unclear",
            )
        )
    return tuple(comparisons)


def _by_prompt(rows: Iterable[UtteranceScore], metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Per prompt, in the order of their ids: the figure and its weight, (n_prompts,) float64 each.

    WER and CER: errors and words (characters) summed over the seeds. Similarity: the mean over the seeds, weight 1.
    """
    by_prompt: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if metric == "wer":
            figure, weight = row.word_errors, row.n_words
        elif metric == "cer":
            figure, weight = row.char_errors, row.n_chars
        else:
            figure, weight = row.similarity, 1
        by_prompt.setdefault(row.prompt_id, []).append((figure, weight))
    sums = np.array([np.sum(by_prompt[prompt], axis=0) for prompt in sorted(by_prompt)], dtype=float)  # (n_prompts, 2)
    if metric == "similarity":
        return sums[:, 0] / sums[:, 1], np.ones(len(sums))
    return sums[:, 0], sums[:, 1]


def _decide(
    bars: tuple[Bound, ...], comparisons: tuple[Comparison, ...], first_release: bool, has_champion: bool
) -> tuple[Outcome, tuple[str, ...]]:
    """The outcome and every reason, the worst first."""
    failed = [_sentence(bar) for bar in bars if not bar.holds]
    failed += [_comparison_sentence(one) for one in comparisons if one.outcome == "worse"]
    unclear = [_comparison_sentence(one) for one in comparisons if one.outcome == "unclear"]
    if not has_champion and not first_release:
        unclear.append("there is no champion to compare with; a person may ask for a first release (--first-release)")
    good = [_sentence(bar) for bar in bars if bar.holds]
    good += [_comparison_sentence(one) for one in comparisons if one.outcome == "not_worse"]
    if first_release:
        good.append("first release: only the absolute bars were asked for, nothing was compared")
    outcome: Outcome = "fail" if failed else "inconclusive" if unclear else "pass"
    return outcome, (*failed, *unclear, *good)


def _sentence(bar: Bound) -> str:
    words = "at most" if bar.direction == "at_most" else "at least"
    verb = "holds:" if bar.holds else "missed:"
    return f"bar {verb} {bar.metric} {bar.value:.4f} {bar.unit}, must be {words} {bar.limit:.4f}"


def _comparison_sentence(one: Comparison) -> str:
    sign = 1 if SMALLER_IS_BETTER[one.metric] else -1
    worst = f"{one.metric} {one.candidate:.4f} against the champion's {one.champion:.4f} ({one.difference:+.4f}"
    bound = (
        f"; at {one.confidence:.1%} confidence no worse than {one.bound:+.4f}, the margin is {sign * one.margin:+.4f})"
    )
    if one.outcome == "not_worse":
        return f"not worse: {worst}{bound}"
    if one.outcome == "worse":
        return f"worse than the margin allows: {worst}, margin {sign * one.margin:+.4f}, p {one.p_worse:.4f})"
    return f"not enough evidence: {worst}{bound}; an equal candidate is recognised {one.power:.0%} of the time"


def _plain(value: float) -> float:
    """Without the last rounding errors of a sum, which would print an exact tie as -0.0000."""
    return round(value, 12) + 0.0


def _failures(rows: Iterable[UtteranceScore]) -> dict[str, int]:
    """Failed utterances by the failure's name, in the order of the names."""
    return dict(sorted(Counter(name for row in rows for name in row.failures).items()))


def _some(items: Iterable[object]) -> str:
    names = sorted(str(item) for item in items)
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _short(value: object) -> str:
    text = value.model_dump_json() if hasattr(value, "model_dump_json") else str(value)
    return text if len(text) <= 200 else text[:200] + "..."

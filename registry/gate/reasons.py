"""The outcome, every reason in words, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from metrics.scores import SMALLER_IS_BETTER
from registry.gate.causes import Causes
from registry.verdicts.verdict import (
    Bound,
    Comparison,
    Outcome,
    PreferenceCheck,
    PromptDifference,
    RegressedPromptsCheck,
    SmallSlice,
)

SHOWN = 5  # prompts named in one reason; the count says how many there are
# The order of failed reasons: what explains the other figures comes first.
FAILURES, SIMILARITY, WORDS, SLICE, VOTES, GAIN = range(6)
RANKS = {"failed_share": FAILURES, "similarity": SIMILARITY, "wer": WORDS, "cer": WORDS}


@dataclass(frozen=True)
class Checks:
    """Everything that was held against the policy."""

    bars: tuple[Bound, ...]
    slice_bars: tuple[Bound, ...] = ()
    small_slices: tuple[SmallSlice, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    regressed_prompts: RegressedPromptsCheck | None = None
    preference: PreferenceCheck | None = None


def outcome_of(checks: Checks, has_champion: bool, first_release: bool) -> Outcome:
    """fail: something is shown to be bad; inconclusive: something is not shown to be good; else pass."""
    shown_bad = [not bar.holds for bar in (*checks.bars, *checks.slice_bars)]
    shown_bad += [one.outcome == "worse" for one in _outcomes(checks)]
    shown_bad += [checks.regressed_prompts is not None and checks.regressed_prompts.outcome == "broken"]
    if any(shown_bad):
        return "fail"
    unclear = [one.outcome == "unclear" for one in _outcomes(checks)]
    unclear += [checks.regressed_prompts is not None and checks.regressed_prompts.outcome == "unclear"]
    unclear += [not has_champion and not first_release]
    return "inconclusive" if any(unclear) else "pass"


def reasons_of(checks: Checks, causes: Causes | None, has_champion: bool, first_release: bool) -> tuple[str, ...]:
    """Every reason: what failed, by how directly it explains the rest; what is unclear; what is good.

    causes: of what failed; None where nothing did.
    """
    failed: list[tuple[int, str]] = []
    unclear: list[str] = []
    good: list[str] = []
    for bar in (*checks.bars, *checks.slice_bars):
        if bar.holds:
            good.append(_bar_sentence(bar))
        else:
            cause = f"slice {bar.slice}" if bar.slice else causes.of(bar.metric)
            failed.append((SLICE if bar.slice else RANKS[bar.metric], f"{cause}: {_bar_sentence(bar)}"))
    for one in checks.comparisons:
        sentence = _comparison_sentence(one)
        if one.outcome == "worse":
            gain = one.rule == "superiority"
            failed.append((GAIN, sentence) if gain else (RANKS[one.metric], f"{causes.of(one.metric)}: {sentence}"))
        else:
            (unclear if one.outcome == "unclear" else good).append(sentence)
    if lost := checks.regressed_prompts:
        sentence = _lost_sentence(lost, causes)
        if lost.outcome == "broken":
            failed.append((FAILURES, sentence))
        else:
            (unclear if lost.outcome == "unclear" else good).append(sentence)
    if votes := checks.preference:
        sentence = _votes_sentence(votes)
        if votes.outcome == "worse":
            failed.append((VOTES, sentence))
        else:
            (unclear if votes.outcome == "unclear" else good).append(sentence)
    if not has_champion and not first_release:
        unclear.append("there is no champion to compare with; a person may ask for a first release (--first-release)")
    good += [
        f"not judged: slice {one.slice} has {one.n_prompts} prompts, its bars want {one.min_prompts}"
        for one in checks.small_slices
    ]
    if first_release:
        good.append("first release: only the absolute bars were asked for, nothing was compared")
    first = SIMILARITY if causes and causes.another_speaker else None
    failed.sort(key=lambda entry: (entry[0] != first, entry[0]))  # stable: inside a rank, in the policy's order
    return (*(sentence for _, sentence in failed), *unclear, *good)


def advice_of(
    checks: Checks,
    outcome: Outcome,
    reasons: Sequence[str],
    worst: Sequence[PromptDifference],
    has_champion: bool,
    first_release: bool,
) -> str:
    """What to do next, in a sentence or two."""
    if outcome == "pass":
        return "Promote it." if not first_release else "Listen to it, then promote it as the first release."
    if outcome == "fail":
        names = ", ".join(one.prompt_id for one in worst[:3])
        return f"Do not release it: {reasons[0].split(': ')[0]}. Listen first to {names}."
    steps = []
    if not has_champion and not first_release:
        steps.append("ask for a first release, there being no champion")
    unclear = [one for one in checks.comparisons if one.outcome == "unclear"]
    if decidable := [one for one in unclear if one.more_prompts is not None]:
        names = " and ".join(_name(one) for one in decidable)
        seeds = [one.more_seeds for one in decidable]
        by_seeds = "" if None in seeds else f" or {_plural(max(seeds), 'seed')}"
        steps.append(f"add {_plural(max(one.more_prompts for one in decidable), 'prompt')}{by_seeds} to decide {names}")
    if undecidable := [one for one in unclear if one.more_prompts is None]:
        names = " and ".join(_name(one) for one in undecidable)
        steps.append(
            f"let listeners decide {names}, which lies so near its margin that ten times the prompts would not"
        )
    if checks.regressed_prompts is not None and checks.regressed_prompts.outcome == "unclear":
        steps.append(f"score with {checks.regressed_prompts.min_seeds} seeds to tell lost sentences from bad draws")
    if checks.preference is not None and checks.preference.outcome == "unclear":
        votes = checks.preference
        missing = votes.min_votes - votes.n_candidate - votes.n_champion
        steps.append(f"collect {_plural(missing, 'vote')}" if missing > 0 else "collect more votes")
    return "To decide: " + "; ".join(steps) + "."


def _outcomes(checks: Checks) -> list[Comparison | PreferenceCheck]:
    return [*checks.comparisons, *([checks.preference] if checks.preference else [])]


def _bar_sentence(bar: Bound) -> str:
    words = "at most" if bar.direction == "at_most" else "at least"
    verb = "holds:" if bar.holds else "missed:"
    where = f" in {bar.slice} ({bar.n_prompts} prompts)" if bar.slice else ""
    value = f"{bar.metric} {bar.figure:.4f}{where}"
    if bar.of == "recordings_share":
        value += f" is {bar.value:.4f} of the recordings' {bar.recordings:.4f}"
    elif bar.of == "above_recordings":
        value += f" is {bar.value:+.4f} from the recordings' {bar.recordings:.4f}"
    else:
        value += f" {bar.unit}"
    return f"bar {verb} {value}, must be {words} {bar.limit:.4f}"


def _comparison_sentence(one: Comparison) -> str:
    sign = 1 if SMALLER_IS_BETTER[one.metric] else -1
    worst = f"{one.metric} {one.candidate:.4f} against the champion's {one.champion:.4f} ({one.difference:+.4f}"
    limit = f"the margin is {sign * one.margin:+.4f}"
    good, bad = "not worse", "worse than the margin allows"
    if one.rule == "superiority":
        limit = f"wanted is {sign * one.margin:+.4f}"
        good, bad = "better", "not better as wanted"
    bound = f"; at {one.confidence:.1%} confidence no worse than {one.bound:+.4f}, {limit})"
    if one.outcome == "not_worse":
        return f"{good}: {worst}{bound}"
    if one.outcome == "worse":
        return f"{bad}: {worst}, {limit}, p {one.p_worse:.4f})"
    equal = "one twice as much better" if one.rule == "superiority" else "an equal candidate"
    return f"not enough evidence: {worst}{bound}; {equal} is recognised {one.power:.0%} of the time"


def _lost_sentence(lost: RegressedPromptsCheck, causes: Causes | None) -> str:
    n, allowed = len(lost.lost), f"{lost.at_most} allowed"
    names = ", ".join(lost.lost[:SHOWN]) + (f" and {n - SHOWN} more" if n > SHOWN else "")
    if lost.outcome == "holds":
        return f"guard holds: {_plural(n, 'prompt')} that the champion says and the candidate does not, {allowed}"
    what = f"{_plural(n, 'prompt')} that the champion says and the candidate does not, {allowed} ({names})"
    if lost.outcome == "unclear":
        return f"not enough evidence: {what}; it takes {lost.min_seeds} seeds to tell that from a bad draw"
    cause = f"silent (empty) in {_plural(len(lost.silent), 'prompt')}" if lost.silent else causes.of("failed_share")
    return f"{cause or causes.words}: guard broken: {what}"


def _votes_sentence(votes: PreferenceCheck) -> str:
    n_votes = votes.n_candidate + votes.n_champion
    counted = (
        f"{votes.n_candidate} of {_plural(n_votes, 'vote')} prefer the candidate ({votes.n_ties} without preference, "
        f"{_plural(votes.n_listeners, 'listener')})"
    )
    if n_votes < votes.min_votes:
        return f"not enough evidence: {counted}, the policy wants {votes.min_votes} votes"
    limit = f"share from {votes.low:.3f} to {votes.high:.3f}, worse is {votes.worse_than:.3f}"
    verdict = {"not_worse": "not worse", "worse": "listeners prefer the champion", "unclear": "not enough evidence"}
    return f"{verdict[votes.outcome]}: {counted}; {limit}"


def _name(one: Comparison) -> str:
    return one.metric if one.rule == "non_inferiority" else f"whether {one.metric} is better"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"

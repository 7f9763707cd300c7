"""Render reasons and causes to text: the one place where they become sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from metrics.scores import SMALLER_IS_BETTER
from registry.gate.decision import Cause, Reason
from registry.gate.reasons.codes import CAUSE_CODES, REASON_CODES, CauseCode, ReasonCode

MAX_PROMPTS = 5  # named in one reason; the count says how many there are
METRIC_NAMES = {
    "wer": "word error rate",
    "cer": "character error rate",
    "similarity": "speaker similarity",
    "failed_share": "failed utterances",
}
FAILURE_NAMES = {
    "empty": "silent (empty)",
    "swallowed_clause": "swallowed words (clause)",
}  # others: without underscore


def with_text(reasons: Sequence[Reason]) -> tuple[Reason, ...]:
    """Return the reasons with their texts."""
    return tuple(reason.model_copy(update={"text": reason_text(reason)}) for reason in reasons)


def reason_text(reason: Reason) -> str:
    """Return a reason in words: what lies behind it, what it says, and the figures."""
    detail = DETAILS[reason.code](reason, reason.values) if reason.code in DETAILS else ""
    return ": ".join(part for part in (_subject(reason), REASON_CODES[reason.code].phrase, detail) if part)


def headline(reason: Reason) -> str:
    """Return the first part of a reason's text: what lies behind it, else what it says."""
    phrase, subject = REASON_CODES[reason.code].phrase, _subject(reason)
    return f"{subject}: {phrase}" if _is_about_a_part(reason) else subject or phrase


def cause_text(cause: Cause) -> str:
    """Return a cause in words, such as `cut off in 12 of 300 utterances (champion 1)`."""
    phrase, values = CAUSE_CODES[cause.code].phrase, cause.values
    if cause.code == CauseCode.FAILURE_OF_SPEECH:
        name = FAILURE_NAMES.get(cause.failure, cause.failure.replace("_", " "))
        champion = "" if values["n_champion"] is None else f" (champion {values['n_champion']})"
        return f"{name} in {values['n']} of {values['n_utterances']} utterances{champion}"
    if cause.code == CauseCode.SILENT_PROMPTS:
        return f"{phrase} in {plural(values['n_prompts'], 'prompt')}"
    return f"{phrase} ({values['errors_per_unit']:+.3f} per {values['unit']})" if values else phrase


def plural(count: int, noun: str) -> str:
    """Return `1 prompt` or `2 prompts`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _subject(reason: Reason) -> str:
    """Return the causes of a reason to fail, or its slice. A reason about another language, preset or lane names it."""
    causes = ", ".join(map(cause_text, reason.causes))
    if _is_about_a_part(reason):
        return f"{reason.slice}, {causes}" if causes else reason.slice
    if REASON_CODES[reason.code].outcome != "fail":
        return ""
    return f"slice {reason.slice}" if reason.slice else causes


def _is_about_a_part(reason: Reason) -> bool:
    return reason.slice.startswith(("language ", "preset ", "lane "))


def _threshold_detail(reason: Reason, values: dict[str, Any]) -> str:
    text = f"{METRIC_NAMES[reason.metric]} {values['figure']:.4f}"
    if values["scale"] is None:
        text += f" {values['unit']}"
    if reason.slice:
        text += f" in {reason.slice} ({values['n_prompts']} prompts)"
    threshold = f"{values['threshold']:.4f}"
    if values["scale"] == "ratio":
        text += f" is {values['value']:.4f} times the recordings' {values['recordings']:.4f}"
    elif values["scale"] == "difference":
        text += f" differs by {values['value']:+.4f} from the recordings' {values['recordings']:.4f}"
        threshold = f"{values['threshold']:+.4f}"
    return f"{text}, must be {values['direction'].replace('_', ' ')} {threshold}"


def _comparison_detail(reason: Reason, values: dict[str, Any]) -> str:
    is_improvement = reason.code in IMPROVEMENTS
    sign = 1 if SMALLER_IS_BETTER[reason.metric] else -1
    required = "the required change" if is_improvement else "the margin"
    figures = (
        f"{METRIC_NAMES[reason.metric]} {values['candidate']:.4f} against the champion's {values['champion']:.4f} "
        f"({values['difference']:+.4f}"
    )
    margin = f"{required} is {sign * values['margin']:+.4f}"
    if REASON_CODES[reason.code].outcome == "fail":
        return f"{figures}, {margin}, p {values['p_worse']:.4f})"
    text = f"{figures}; at {values['confidence']:.1%} confidence no worse than {values['bound']:+.4f}, {margin})"
    if REASON_CODES[reason.code].outcome == "inconclusive":
        other = "a candidate better by twice as much" if is_improvement else "an equal candidate"
        text += f"; {other} would be recognised {values['power']:.0%} of the time"
    return text


def _regression_detail(reason: Reason, values: dict[str, Any]) -> str:
    n = values["n_regressed"]
    text = (
        f"{plural(n, 'prompt')} that the champion says and the candidate does not, at most {values['at_most']} allowed"
    )
    if reason.code == ReasonCode.REGRESSED_PROMPTS_ALLOWED:
        return text
    text += f" ({', '.join(reason.prompts[:MAX_PROMPTS])}{f' and {n - MAX_PROMPTS} more' if n > MAX_PROMPTS else ''})"
    if reason.code == ReasonCode.REGRESSED_PROMPTS_UNCLEAR:
        text += f"; {values['min_seeds']} seeds can tell regressed prompts from bad draws"
    return text


def _vote_detail(reason: Reason, values: dict[str, Any]) -> str:
    n_votes = values["n_candidate"] + values["n_champion"]
    text = (
        f"{values['n_candidate']} of {plural(n_votes, 'vote')} prefer the candidate ({values['n_ties']} without "
        f"preference, {plural(values['n_listeners'], 'listener')})"
    )
    if reason.code == ReasonCode.TOO_FEW_VOTES:
        return f"{text}, the policy requires {plural(values['min_votes'], 'vote')}"
    interval = f"the share is from {values['low']:.3f} to {values['high']:.3f}"
    return f"{text}; {interval}, worse is below {values['worse_than']:.3f}"


def _small_slice_detail(reason: Reason, values: dict[str, Any]) -> str:
    return f"{reason.slice} has {plural(values['n_prompts'], 'prompt')}, its thresholds need {values['min_prompts']}"


def _lane_detail(reason: Reason, values: dict[str, Any]) -> str:
    return f"it is {values['outcome']}"


IMPROVEMENTS = {ReasonCode.IMPROVEMENT_NOT_SHOWN, ReasonCode.IMPROVEMENT_UNCLEAR, ReasonCode.IMPROVEMENT_SHOWN}
COMPARISONS = {ReasonCode.WORSE_THAN_CHAMPION, ReasonCode.COMPARISON_UNCLEAR, ReasonCode.NOT_WORSE_THAN_CHAMPION}
DETAILS = {
    ReasonCode.THRESHOLD_MISSED: _threshold_detail,
    ReasonCode.THRESHOLD_MET: _threshold_detail,
    **dict.fromkeys((*COMPARISONS, *IMPROVEMENTS), _comparison_detail),
    ReasonCode.PROMPTS_REGRESSED: _regression_detail,
    ReasonCode.REGRESSED_PROMPTS_UNCLEAR: _regression_detail,
    ReasonCode.REGRESSED_PROMPTS_ALLOWED: _regression_detail,
    ReasonCode.LISTENERS_PREFER_CHAMPION: _vote_detail,
    ReasonCode.TOO_FEW_VOTES: _vote_detail,
    ReasonCode.VOTES_UNCLEAR: _vote_detail,
    ReasonCode.VOTES_NOT_WORSE: _vote_detail,
    ReasonCode.SLICE_TOO_SMALL: _small_slice_detail,
    ReasonCode.LANE_NOT_PASSED: _lane_detail,
}

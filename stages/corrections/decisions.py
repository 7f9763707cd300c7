"""Fold the rows of corrections.jsonl into one decision per clip. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pydantic import Field

from stages.corrections.rows import Correction, NumberedCorrection, Span, UnusedCorrection, rows_in_effect
from stages.tables import Recording, Row

DECISIONS_FILE = "decisions.jsonl"  # in the manifest, where corrections.jsonl is in the recordings
DROPPED = "dropped by review"  # begins the reason of a clip that a person left out
TOLERANCE_SECONDS = 0.001  # spans that differ by less are the same: seconds are rounded, and sample rates differ


class ClipDecision(Row):
    """What stands of all corrections for one clip. Written by ingest as decisions.jsonl, if the voice has any."""

    recording_id: str = Field(description="id of the recording")
    start: float = Field(ge=0, description="start of the clip in the recording, in seconds")
    end: float = Field(gt=0, description="end of the clip in the recording, in seconds")
    text: str | None = Field(description="what is said in it, as a person heard it; null where nobody corrected it")
    verdict: Literal["drop", "restore"] | None = Field(
        description="drop: leave it out. restore: keep it, although a limit rejects it. null: the limits decide"
    )
    by: str = Field(description="who decided last")
    when: str = Field(description="when that was")


@dataclass(frozen=True)
class Decided:
    """One span of a recording with what was decided about it.

    Attributes:
        span: Where the clip is.
        text: What is said in it, None where nobody corrected it.
        verdict: The last of drop and restore, None without one.
        rows: The rows that it follows from, in order.
    """

    span: Span
    rows: tuple[NumberedCorrection, ...]
    text: str | None = None
    verdict: Literal["drop", "restore"] | None = None


def fold(rows: Iterable[NumberedCorrection]) -> tuple[list[Decided], list[UnusedCorrection]]:
    """Return what stands of the rows of one recording.

    The later row counts where two contradict each other.

    Args:
        rows: rows in effect of one recording, in their order.

    Returns:
        Decisions on spans that do not overlap, in order of time, and the rows that a later one on a span that only
        overlaps with theirs replaced. A clip that is split or merged was seen, so its rows are done and not replaced.
        Its parts, or the clip that it becomes a part of, keep its verdict. Where merged clips have different ones, the
        merged clip has none, and their verdicts count as replaced.
    """
    standing: list[Decided] = []  # by time
    unused: list[UnusedCorrection] = []
    for numbered in rows:
        number, row = numbered
        first = bisect_right(standing, row.start + TOLERANCE_SECONDS, key=lambda one: one.span.end)
        end = bisect_left(standing, row.end - TOLERANCE_SECONDS, key=lambda one: one.span.start)
        touched, spans = standing[first:end], row.spans()
        if len(spans) == len(touched) == 1 and same_span(touched[0].span, spans[0]):
            made = [replace(touched[0], rows=(*touched[0].rows, numbered))]
        else:
            seen = [one for one in touched if _takes_up(row, one.span)]
            made = [_recut(span, seen, numbered) for span in spans]
            replaced = [old for one in touched if one not in seen for old in one.rows]
            replaced += [old for one in seen if _loses_verdict(one, made) for old in one.rows if _gives_verdict(old)]
            unused += [
                UnusedCorrection(old.number, f"{old.row.where()}: replaced by the {row.where()} in line {number}")
                for old in replaced
            ]
        standing[first:end] = [_decide(one, row) for one in made]
    return standing, sorted(set(unused))


def decide(
    rows: Sequence[Correction], recordings: Mapping[str, Recording]
) -> tuple[list[ClipDecision], list[UnusedCorrection]]:
    """Return the decision on each clip, by recording in the order of `recordings` and by time, and what is unused.

    Args:
        rows: all rows of the file, in their order.
        recordings: the usable recordings by the hash of their bytes.
    """
    decided, unused = decided_by_recording(rows, recordings)
    return [_row(one, name) for name, its_own in decided.items() for one in its_own], unused


def decided_by_recording(
    rows: Sequence[Correction], recordings: Mapping[str, Recording]
) -> tuple[dict[str, list[Decided]], list[UnusedCorrection]]:
    """Return what `decide` does, by recording id and with the rows behind each decision."""
    in_effect, unused = rows_in_effect(rows)
    by_recording: dict[str, list[NumberedCorrection]] = {sha256: [] for sha256 in recordings}
    for numbered in in_effect:
        if reason := _misplaced(numbered.row, recordings):
            unused.append(UnusedCorrection(numbered.number, f"{numbered.row.where()}: {reason}"))
        else:
            by_recording[numbered.row.recording_sha256].append(numbered)
    found = {}
    for sha256, its_rows in by_recording.items():
        found[recordings[sha256].recording_id], replaced = fold(its_rows)
        unused += replaced
    return found, sorted(unused)


def same_span(one: Span, other: Span) -> bool:
    """Return whether both ends of two spans are equal up to rounding."""
    return max(abs(one.start - other.start), abs(one.end - other.end)) <= TOLERANCE_SECONDS


def _takes_up(row: Correction, span: Span) -> bool:
    """Return whether a row cuts or joins a whole span, so that who wrote it saw what was decided there."""
    inside = row.start - TOLERANCE_SECONDS <= span.start and span.end <= row.end + TOLERANCE_SECONDS
    return inside and row.action in ("split", "merge")


def _recut(span: Span, seen: Sequence[Decided], numbered: NumberedCorrection) -> Decided:
    """Return what stands of a new clip that a row makes, with the verdict that the clips in its place have in common.

    Args:
        span: the new clip.
        seen: what stood of the clips that the row cuts or joins, by time.
        numbered: the row.
    """
    there = [one for one in seen if _overlap(one.span, span)]
    if not there or len({one.verdict for one in there}) > 1 or there[0].verdict is None:
        return Decided(span, (numbered,))
    if there[0].span.start > span.start + TOLERANCE_SECONDS or there[-1].span.end < span.end - TOLERANCE_SECONDS:
        return Decided(span, (numbered,))  # joined with a clip that nobody decided on
    origins = sorted({old for one in there for old in one.rows if _gives_verdict(old)}, key=lambda old: old.number)
    return Decided(span, (*origins, numbered), verdict=there[0].verdict)


def _loses_verdict(one: Decided, made: Sequence[Decided]) -> bool:
    return any(_overlap(one.span, new.span) and one.verdict not in (None, new.verdict) for new in made)


def _gives_verdict(numbered: NumberedCorrection) -> bool:
    return numbered.row.action in ("drop", "restore")


def _overlap(one: Span, other: Span) -> bool:
    return min(one.end, other.end) - max(one.start, other.start) > TOLERANCE_SECONDS


def _decide(decided: Decided, row: Correction) -> Decided:
    if row.action == "text":
        # who writes down what is said in a dropped clip wants it back, but not who cuts a clip that has a text
        is_wanted = decided.verdict == "drop" and not _came_with_a_cut(decided, row)
        return replace(decided, text=row.text, verdict=None if is_wanted else decided.verdict)
    if row.action in ("drop", "restore"):
        return replace(decided, verdict=row.action)
    return decided


def _came_with_a_cut(decided: Decided, text: Correction) -> bool:
    """Return whether a text is of the same request as the split or merge that made the clip."""
    return any(
        old.row.action in ("split", "merge") and (old.row.by, old.row.when) == (text.by, text.when)
        for old in decided.rows
    )


def _misplaced(row: Correction, recordings: Mapping[str, Recording]) -> str:
    if (recording := recordings.get(row.recording_sha256)) is None:
        return (
            f"no usable recording has the sha256 {row.recording_sha256[:12]}...; it was changed, removed or rejected. "
            "Remove the row, or bring the recording back"
        )
    if row.end > recording.seconds + TOLERANCE_SECONDS:
        return f"{recording.path} has only {recording.seconds:.2f} s"
    return ""


def _row(decided: Decided, recording_id: str) -> ClipDecision:
    last = decided.rows[-1].row
    return ClipDecision(
        recording_id=recording_id,
        start=decided.span.start,
        end=decided.span.end,
        text=decided.text,
        verdict=decided.verdict,
        by=last.by,
        when=last.when,
    )

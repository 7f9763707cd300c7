"""Apply the decisions of a person to the clips of the stage align."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from metrics.normalize import normalize_text
from stages.alignment.clip_texts import ClipText, clip_texts
from stages.corrections.decisions import DROPPED, TOLERANCE_SECONDS, ClipDecision, same_span
from stages.corrections.rows import Span
from stages.execution.parallel import Map, call
from stages.tables import AlignedClip, Clip

RESTORE_NEEDS_WORDS = "a person restored it, but its words have no times; correct its text too"
RESTORE_NEEDS_TEXT = "a person restored it, but errors are counted in words and its text has none; correct or drop it"


def decisions_by_clip(
    clips: Sequence[Clip], decisions: Mapping[str, Sequence[ClipDecision]]
) -> tuple[dict[str, ClipDecision], list[ClipDecision]]:
    """Return the decision on each clip that has one, by clip id, and the decisions for which there is no clip.

    Args:
        clips: the clip table, in which the clips of a recording are in order.
        decisions: by recording id, see read_decisions.
    """
    by_recording: dict[str, list[Clip]] = {}
    for clip in clips:
        by_recording.setdefault(clip.recording_id, []).append(clip)
    found, unused = {}, []
    for one in (one for its_own in decisions.values() for one in its_own):
        its_clips = by_recording.get(one.recording_id, [])
        place = bisect_left(its_clips, one.start - TOLERANCE_SECONDS, key=lambda clip: clip.start)
        if place < len(its_clips) and same_span(
            Span(its_clips[place].start, its_clips[place].end), Span(one.start, one.end)
        ):
            found[its_clips[place].clip_id] = one
        else:
            unused.append(one)
    return found, unused


def correct_texts(
    clips_dir: Path,
    clips: Sequence[Clip],
    asr_texts: Sequence[str],
    texts: Sequence[ClipText],
    decisions: Mapping[str, ClipDecision],
    language: str,
    asr: str,
    workers: Map,
) -> list[ClipText]:
    """Put the texts that a person wrote in the place of those that were found, with the times of their words.

    Args:
        clips_dir: output of the stage segment.
        clips: the clip table.
        asr_texts: what the ASR heard in each clip.
        texts: the text that was found for each clip.
        decisions: the decisions by clip id.
        language: ISO 639 code of the clips.
        asr: name of the ASR judge, which times words.
        workers: runs the alignment, see stages/execution/parallel.py.
    """
    calls = {
        index: partial(
            clip_texts,
            [clips_dir / clip.path],
            [clip.seconds],
            [asr_texts[index]],
            decisions[clip.clip_id].text,
            language,
            asr,
        )
        for index, clip in enumerate(clips)
        if is_corrected(decisions, clip.clip_id)
    }
    found = {index: result.clips[0] for index, result in zip(calls, workers(call, list(calls.values())), strict=True)}
    return [found.get(index, text) for index, text in enumerate(texts)]


def is_corrected(decisions: Mapping[str, ClipDecision], clip_id: str) -> bool:
    """Return whether a person wrote the text of a clip."""
    return clip_id in decisions and decisions[clip_id].text is not None


def confirmed_clips(decisions: Mapping[str, ClipDecision]) -> set[str]:
    """Return the ids of the clips that a person heard and wants to keep: they were restored, or their text corrected.

    Args:
        decisions: the decisions by clip id.
    """
    return {
        clip_id
        for clip_id, one in decisions.items()
        if one.verdict == "restore" or (one.verdict is None and one.text is not None)
    }


def dropped_clips(rows: Sequence[AlignedClip], decisions: Mapping[str, ClipDecision]) -> set[str]:
    """Return the ids of the clips that only a person rejects.

    Args:
        rows: all clips, kept or rejected by the limits.
        decisions: the decisions by clip id.
    """
    return {
        row.clip_id
        for row in rows
        if row.kept and row.clip_id in decisions and decisions[row.clip_id].verdict == "drop"
    }


def obey(rows: Sequence[AlignedClip], decisions: Mapping[str, ClipDecision]) -> list[AlignedClip]:
    """Keep and reject clips as a person decided, whatever the limits say.

    A clip cannot be restored whose words have no times, or whose text has no words after normalisation: training needs
    the first, and scoring fails without the second.

    Args:
        rows: all clips, kept or rejected by the limits.
        decisions: the decisions by clip id.
    """
    return [_obey(row, decisions.get(row.clip_id)) for row in rows]


def _obey(row: AlignedClip, decision: ClipDecision | None) -> AlignedClip:
    if decision is None or decision.verdict is None:
        return row
    if decision.verdict == "drop":
        reason = f"{DROPPED}: {decision.by} {decision.when}"
        return row.model_copy(update={"kept": False, "reason": reason})
    if row.kept:
        return row
    if not normalize_text(row.text, row.language):
        return row.model_copy(update={"reason": f"{row.reason}; {RESTORE_NEEDS_TEXT}"})
    if not row.words:
        return row.model_copy(update={"reason": f"{row.reason}; {RESTORE_NEEDS_WORDS}"})
    return row.model_copy(update={"kept": True, "reason": ""})

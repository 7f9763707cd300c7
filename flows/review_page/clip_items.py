"""The clips of a recording as the review page shows them: the last run's tables with the decisions since. Pure."""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flows.review_page.text_parts import WordTime, cut_text, join_texts
from stages.corrections.decisions import DROPPED, TOLERANCE_SECONDS, ClipDecision, Decided, same_span
from stages.corrections.rows import Span
from stages.tables import AlignedClip, Clip, Disagreement, Recording

MOSTLY = 0.5  # share of a clip; where decided spans cover more of it, they stand in its place


@dataclass(frozen=True, kw_only=True)
class SoundPart:
    """A part of a clip's file, after a silence.

    Attributes:
        path: The FLAC file, relative to the project.
        start: Where it begins in the file, in seconds.
        end: Where it ends.
        silence: Seconds of silence before it, where the recording has a pause that is in no clip.
    """

    path: Path
    start: float
    end: float
    silence: float = 0.0


@dataclass(frozen=True, kw_only=True)
class ClipItem:
    """One clip as the page shows it.

    Attributes:
        recording: The recording that it lies in.
        span: Where it lies, in seconds.
        text: What is said, as the last run or a person has it.
        text_source: Where the text comes from, as in AlignedClip.
        words: (word, start, end) in seconds within the clip, from the last run.
        heard: What the ASR heard, normalised.
        cer: Character error rate of the last run, None where it has none.
        disagreements: (written, heard, start, end, doubt) in seconds within the clip, with a doubt of None where the
            sound was not asked.
        repair: What align changed in its text or its sound.
        speaker: 0 for the voice, 1, 2, ... for other speakers, None where it was not compared.
        similarity: Cosine of its speaker embedding to that of the voice, None as above.
        kept: Whether the pipeline uses it.
        reason: Why it does not.
        sound: Where its sound comes from.
        decided: What a person decided about it.
        is_pending: Whether the tables of the last run do not show that decision yet.
    """

    recording: Recording
    span: Span
    text: str
    text_source: str
    words: tuple[WordTime, ...]
    heard: str
    cer: float | None
    disagreements: tuple[tuple[str, str, float, float, float | None], ...]
    repair: str
    speaker: int | None
    similarity: float | None
    kept: bool
    reason: str
    sound: tuple[SoundPart, ...]
    decided: Decided | None = None
    is_pending: bool = False

    @property
    def key(self) -> str:
        """Return what the page names the clip by: recording, start and end."""
        return f"{self.recording.recording_id}:{self.span.start!r}:{self.span.end!r}"

    @property
    def seconds(self) -> float:
        """Return its length."""
        return self.span.end - self.span.start

    @property
    def revision(self) -> str:
        """Return a name for what was decided about it so far, so that a page that shows something older is noticed."""
        rows = self.decided.rows if self.decided else ()
        return hashlib.sha256("".join(numbered.row.id() for numbered in rows).encode()).hexdigest()[:12]

    def summary(self) -> dict[str, Any]:
        """Return what the list of the page needs."""
        return {
            "key": self.key,
            "path": self.recording.path,
            "start": round(self.span.start, 3),
            "seconds": round(self.seconds, 3),
            "text": self.text,
            "kept": self.kept,
            "reason": self.reason,
            "cer": self.cer,
            "doubt": max((one[-1] or 0 for one in self.disagreements), default=0),
            "stranger": bool(self.speaker),
            "decided": self.decided is not None,
            "pending": self.is_pending,
        }

    def details(self) -> dict[str, Any]:
        """Return what the page needs to show it."""
        last = self.decided.rows[-1].row if self.decided else None
        return {
            **self.summary(),
            "revision": self.revision,
            "text_source": self.text_source,
            "words": self.words,
            "heard": self.heard,
            "repair": self.repair,
            "similarity": self.similarity,
            "disagreements": self.disagreements,
            "verdict": self.decided.verdict if self.decided else None,
            "action": last.action if last else None,
            "by": last.by if last else None,
            "when": last.when if last else None,
        }


@dataclass(frozen=True, kw_only=True)
class TableClip:
    """One clip as the last run left it: where it lies in its recording, its row in align's table, and its sound."""

    span: Span
    aligned: AlignedClip
    file: Path
    disagreements: tuple[Disagreement, ...] = ()  # of what is still in it


def table_clip(cut: Clip, aligned: AlignedClip, *, file: Path, disagreements: Iterable[Disagreement] = ()) -> TableClip:
    """Return a clip of the tables. It begins later than segment cut it where align trimmed it.

    Args:
        cut: Its row in segment's table.
        aligned: Its row in align's table.
        file: Its sound.
        disagreements: Its rows in align's table of them.
    """
    span = Span(cut.start, cut.end)
    if aligned.seconds < cut.seconds:
        start = round(cut.start + aligned.trimmed_seconds, 6)
        span = Span(start, round(start + aligned.seconds, 6))
    left = tuple(one for one in disagreements if one.outcome in ("kept", "rejected"))
    return TableClip(span=span, aligned=aligned, file=file, disagreements=left)


def recording_items(
    recording: Recording, clips: Sequence[TableClip], *, decided: Iterable[Decided], in_run: Sequence[ClipDecision] = ()
) -> list[ClipItem]:
    """Return the clips of a recording in order of time.

    Args:
        recording: The recording.
        clips: Its clips in the tables of the last run, in order.
        decided: What stands of its corrections now.
        in_run: The decisions that the last run knew.
    """
    decided = list(decided)
    known = {(one.start, one.end): one for one in in_run}
    covered = [0.0] * len(clips)
    items = []
    for one in decided:
        touched = _touched(clips, one.span)
        for index in touched:
            covered[index] += _shared_seconds(clips[index].span, one.span)
        if touched:  # else segment rejected the clip, which the session reports
            base = _base_item(recording, [clips[index] for index in touched], span=one.span)
            items.append(_decided_item(base, one, in_run=known.pop(tuple(one.span), None)))
    for clip, seconds in zip(clips, covered, strict=True):
        if seconds <= MOSTLY * _length(clip):
            taken_back = any(_shared_seconds(clip.span, Span(*span)) > 0 for span in known)
            items.append(replace(_table_item(recording, clip), is_pending=taken_back))
    return sorted(items, key=lambda item: item.span)


def _base_item(recording: Recording, clips: Sequence[TableClip], *, span: Span) -> ClipItem:
    """Return a span as the last run left it: a clip of the tables, or a new one of parts of clips."""
    if len(clips) == 1 and same_span(clips[0].span, span):
        return _table_item(recording, clips[0])
    parts = [_part(recording, clip, span=span) for clip in clips]
    joined = parts[0]
    for part in parts[1:]:
        joined = _join(joined, part)
    return replace(joined, span=span, cer=None)


def _part(recording: Recording, clip: TableClip, *, span: Span) -> ClipItem:
    """Return the part of a clip that lies in a span."""
    whole = _table_item(recording, clip)
    first, end = max(span.start - clip.span.start, 0.0), min(span.end - clip.span.start, _length(clip))
    head, _ = cut_text(whole.text, whole.words, at=end, language=recording.language)
    skipped, _ = cut_text(whole.text, whole.words, at=first, language=recording.language)
    return replace(
        whole,
        span=Span(clip.span.start + first, clip.span.start + end),
        text=head[len(skipped) :].strip(),
        words=tuple(word for word in _moved(whole.words, -first) if 0 <= (word[1] + word[2]) / 2 < end - first),
        disagreements=tuple(one for one in _moved(whole.disagreements, -first, at=2) if 0 <= one[2] <= end - first),
        heard="",
        sound=(SoundPart(path=clip.file, start=first, end=end),),
    )


def _join(first: ClipItem, second: ClipItem) -> ClipItem:
    """Return two neighbouring clips as one."""
    language = first.recording.language
    offset = second.span.start - first.span.start
    silence = max(second.span.start - first.span.end, 0.0)
    return replace(
        first,
        span=Span(first.span.start, second.span.end),
        text=join_texts(first.text, second.text, language=language),
        words=(*first.words, *_moved(second.words, offset)),
        disagreements=(*first.disagreements, *_moved(second.disagreements, offset, at=2)),
        heard=join_texts(first.heard, second.heard, language=language),
        kept=first.kept and second.kept,
        reason=first.reason or second.reason,
        sound=(*first.sound, replace(second.sound[0], silence=silence), *second.sound[1:]),
    )


def _moved(rows: Iterable[tuple], seconds: float, *, at: int = 1) -> list[tuple]:
    """Return rows whose start and end, from column `at` on, are moved."""
    return [(*row[:at], round(row[at] + seconds, 3), round(row[at + 1] + seconds, 3), *row[at + 2 :]) for row in rows]


def _decided_item(item: ClipItem, decided: Decided, *, in_run: ClipDecision | None) -> ClipItem:
    """Return a clip with a decision, as the next run will have it.

    Args:
        item: The clip as the last run left it.
        decided: The decision.
        in_run: The decision on this clip that the last run knew.
    """
    item = replace(item, decided=decided)
    if in_run is not None and (in_run.text, in_run.verdict) == (decided.text, decided.verdict):
        return item
    item = replace(item, is_pending=True)
    last = decided.rows[-1].row
    if decided.verdict is None and item.reason.startswith(DROPPED):  # it was dropped when the last run began
        item = replace(item, kept=True, reason="")
    if decided.text is not None:
        item = replace(item, text=decided.text, text_source="corrected", kept=True, reason="")
    if decided.verdict == "restore":
        item = replace(item, kept=True, reason="")
    elif decided.verdict == "drop":
        item = replace(item, kept=False, reason=f"{DROPPED}: {last.by} {last.when}")
    return item


def _table_item(recording: Recording, clip: TableClip) -> ClipItem:
    aligned, start, seconds = clip.aligned, clip.span.start, _length(clip)
    return ClipItem(
        recording=recording,
        span=clip.span,
        text=aligned.text,
        text_source=aligned.text_source,
        words=aligned.words,
        heard=aligned.asr_text,
        cer=aligned.cer,
        disagreements=tuple(
            (
                one.written,
                one.heard,
                *(min(max(round(t - start, 3), 0), seconds) for t in (one.start, one.end)),
                one.doubt,
            )
            for one in clip.disagreements
        ),
        repair=aligned.repair,
        speaker=aligned.speaker,
        similarity=aligned.speaker_similarity,
        kept=aligned.kept,
        reason=aligned.reason,
        sound=(SoundPart(path=clip.file, start=0.0, end=seconds),),
    )


def _touched(clips: Sequence[TableClip], span: Span) -> range:
    """Return the indices of the clips that share time with a span."""
    first = bisect_right(clips, span.start + TOLERANCE_SECONDS, key=lambda clip: clip.span.end)
    end = bisect_left(clips, span.end - TOLERANCE_SECONDS, key=lambda clip: clip.span.start)
    return range(first, max(first, end))


def _shared_seconds(one: Span, other: Span) -> float:
    return max(min(one.end, other.end) - max(one.start, other.start), 0.0)


def _length(clip: TableClip) -> float:
    return clip.span.end - clip.span.start

"""What the page of `vox review` asks for and decides, over the files of one voice."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from flows.errors import FlowError
from flows.paths import recordings_dir
from flows.review_page.clip_items import ClipItem, TableClip, recording_items, table_clip
from flows.review_page.text_parts import cut_text, join_texts
from metrics.normalize import normalize_text
from stages.clip_audio import clip_file
from stages.corrections.decisions import DECISIONS_FILE, ClipDecision, Decided, decided_by_recording
from stages.corrections.file import CORRECTIONS_FILE, append_corrections, read_corrections, read_decisions
from stages.corrections.rows import LONGEST_SECONDS, Correction, rows_in_effect
from stages.sections.data import Segment
from stages.tables import AlignedClip, Clip, Disagreement, Recording, read_table

MANIFESTS, CLIPS, ALIGNED = (Path("data") / name for name in ("1_manifests", "2_clips", "3_aligned"))
RUN_IN_PROGRESS = (
    "a run is making the clips anew, or has stopped before its end: the page shows those of the run before"
)
VERDICTS = {"drop": "dropped", "restore": "kept by a person", None: "left to the limits"}
NO_TIMES = "the words of its text were not found in the sound; write what is said instead"
NO_SCORED_WORDS = "its text has no word that errors are counted in; write what is said, or drop it"


class ClipChangedError(FlowError):
    """The clip is not any more what the page showed. The page loads it again."""


class Tables(NamedTuple):
    """What the last run of the pipeline left for a voice."""

    stamp: str  # changes with every run
    recordings: dict[str, Recording]  # by id
    clips: dict[str, list[TableClip]]  # by recording id, in order of time
    decisions: dict[str, list[ClipDecision]]  # that it knew, by recording id
    notes: list[str]  # passages of transcripts that it found in no clip


@dataclass(frozen=True, kw_only=True)
class State:
    """The clips of a voice as they are now.

    Attributes:
        tables: What the last run left.
        rows: The rows of corrections.jsonl.
        decided: What stands of them, by recording id.
        notes: The rows that change nothing, and why, and whether a run is in progress.
    """

    tables: Tables
    rows: list[Correction]
    decided: dict[str, list[Decided]]
    notes: list[str]
    _items: dict[str, dict[str, ClipItem]] = field(default_factory=dict)  # by recording id and key, once asked for

    @property
    def version(self) -> str:
        """Return a name for this state. It differs after every run and every decision."""
        return f"{self.tables.stamp}.{len(self.rows)}"

    def items(self, recording_id: str) -> list[ClipItem]:
        """Return the clips of one recording, in order of time."""
        return list(self._by_key(recording_id).values())

    def item(self, key: str) -> ClipItem:
        """Return the clip with a key.

        Raises:
            ClipChangedError: The clip no longer exists.
        """
        recording_id = key.partition(":")[0]
        if recording_id in self.tables.recordings and (item := self._by_key(recording_id).get(key)):
            return item
        raise ClipChangedError("this clip was cut in another way meanwhile; it is shown as it is now")

    def _by_key(self, recording_id: str) -> dict[str, ClipItem]:
        if recording_id not in self._items:
            items = recording_items(
                self.tables.recordings[recording_id],
                self.tables.clips.get(recording_id, ()),
                decided=self.decided.get(recording_id, ()),
                in_run=self.tables.decisions.get(recording_id, ()),
            )
            self._items[recording_id] = {item.key: item for item in items}
        return self._items[recording_id]


@dataclass(frozen=True, kw_only=True)
class Session:
    """One start of `vox review`.

    Attributes:
        voice: The voice's name.
        reviewer: Who decides.
        limits: The section `segment` of params.yaml, which new clips must fit.
    """

    voice: str
    reviewer: str
    limits: Segment
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _tables: dict[str, Tables] = field(default_factory=dict)  # the last ones, by their stamp
    _states: dict[str, State] = field(default_factory=dict)  # the last one, by the stamps of all files

    def state(self) -> State:
        """Return the clips as they are now.

        Raises:
            ValueError: A file of the voice has a fault, or the pipeline has not reached align yet.
        """
        folder = recordings_dir(self.voice)
        with self._lock:
            stamp = f"{_stamp(*_tables_of(self.voice))}/{_stamp(folder / CORRECTIONS_FILE)}"
            if stamp not in self._states:
                state = self._state_after(read_corrections(folder))
                self._states.clear()
                self._states[stamp] = state
            return self._states[stamp]

    def _state_after(self, rows: list[Correction]) -> State:
        """Return the clips with these rows of corrections.jsonl."""
        tables, notes = self._newest_tables()
        decided, unused = decided_by_recording(rows, {one.sha256: one for one in tables.recordings.values()})
        notes += tables.notes
        notes += [f"{CORRECTIONS_FILE}:{one.number}: {one.reason}" for one in unused]
        return State(tables=tables, rows=rows, decided=decided, notes=notes)

    def _newest_tables(self) -> tuple[Tables, list[str]]:
        """Return the tables of the last run, and a note where a run that is not finished has removed some of them."""
        stamp = _stamp(*_tables_of(self.voice))
        if stamp not in self._tables:
            try:
                tables = read_tables(self.voice, stamp)
            except (ValueError, OSError):
                if not self._tables:
                    raise
                return next(iter(self._tables.values())), [RUN_IN_PROGRESS]
            self._tables.clear()
            self._tables[stamp] = tables
        return self._tables[stamp], []

    def decide(self, key: str, revision: str, *, action: str, text: str | None, at: float | None) -> State:
        """Write a decision about a clip.

        Args:
            key: The clip.
            revision: What the page knew of it.
            action: text, drop, restore, split or merge (with the next clip).
            text: For text: what is said.
            at: For split: where, in seconds within the clip.

        Raises:
            ClipChangedError: Another page decided about the clip meanwhile.
            ValueError: The decision is not possible.
        """

        def make_rows(rows: list[Correction]) -> list[Correction]:
            state = self._state_after(rows)
            item = state.item(key)
            if item.revision != revision:
                last = item.decided.rows[-1].row if item.decided else None
                who = f"{last.by} decided about" if last else "a decision was taken back on"
                raise ClipChangedError(f"{who} this clip meanwhile, so nothing was written; it is shown as it is now")
            made = self._decision(state, item, action=action, text=text, at=at)
            time = _next_time(rows)
            return [Correction(by=self.reviewer, when=time, **fields) for fields in made]

        return self._state_after(append_corrections(recordings_dir(self.voice), make_rows))

    def undo(self) -> tuple[State, list[Correction]]:
        """Take back this reviewer's last decision, and return the rows that were taken back.

        Raises:
            ValueError: There is none.
        """
        taken_back: list[Correction] = []

        def make_rows(rows: list[Correction]) -> list[Correction]:
            own = [one.row for one in rows_in_effect(rows)[0] if one.row.by == self.reviewer]
            if not own:
                raise ValueError(f"{self.reviewer} has made no decision that can be undone")
            taken_back.extend(row for row in own if row.when == own[-1].when)
            first = taken_back[0]
            where = {"recording_sha256": first.recording_sha256, "start": first.start, "end": first.end}
            ids = tuple(row.id() for row in taken_back)
            return [Correction(action="undo", undoes=ids, by=self.reviewer, when=_next_time(rows), **where)]

        rows = append_corrections(recordings_dir(self.voice), make_rows)
        return self._state_after(rows), taken_back

    def _decision(
        self, state: State, item: ClipItem, *, action: str, text: str | None, at: float | None
    ) -> list[dict[str, Any]]:
        """Return the fields of the rows of a decision, without who and when."""
        if action == "split":
            return self._split(item, at)
        if action == "merge":
            return self._merge(state, item)
        if action == "restore" and not normalize_text(item.text, item.recording.language):
            raise ValueError(f"this clip cannot be kept: {NO_SCORED_WORDS}")
        if action == "restore" and not item.words and not item.is_pending:
            raise ValueError(f"this clip cannot be kept: {NO_TIMES}")
        return [_fields(item, action, **({"text": text} if action == "text" else {}))]

    def _split(self, item: ClipItem, at: float | None) -> list[dict[str, Any]]:
        shortest = self.limits.min_clip_seconds
        if at is None or min(at, item.seconds - at) < shortest:
            where = "there" if at is None else f"at {at:.2f} s"
            raise ValueError(
                f"this clip of {item.seconds:.2f} s cannot be split {where}: each part must have at least "
                f"{shortest:g} s (segment.min_clip_seconds)"
            )
        place = round(item.span.start + at, 6)
        rows = [_fields(item, "split", at=place)]
        if item.text_source == "corrected":
            texts = cut_text(item.text, item.words, at=at, language=item.recording.language)
            ends = ((item.span.start, place), (place, item.span.end))
            rows += [
                {**_fields(item, "text", text=part), "start": start, "end": end}
                for part, (start, end) in zip(texts, ends, strict=True)
                if part
            ]
        return rows

    def _merge(self, state: State, item: ClipItem) -> list[dict[str, Any]]:
        items = state.items(item.recording.recording_id)
        after = [one for one in items if one.span.start >= item.span.end - 0.001]
        if not after:
            raise ValueError("this is the last clip of its recording, so no clip follows that it could be merged with")
        verdicts = [one.decided.verdict if one.decided else None for one in (item, after[0])]
        if verdicts[0] != verdicts[1]:
            raise ValueError(
                f"this clip is {VERDICTS[verdicts[0]]} and the next one is {VERDICTS[verdicts[1]]}, so they cannot be "
                "merged; drop or keep both of them first"
            )
        joined = {**_fields(item, "merge"), "end": after[0].span.end}
        seconds, limit = joined["end"] - joined["start"], min(self.limits.max_clip_seconds, LONGEST_SECONDS)
        if seconds > limit:
            raise ValueError(
                f"the two clips have {seconds:.2f} s together, at most {limit:g} s are allowed "
                "(segment.max_clip_seconds)"
            )
        rows = [joined]
        if "corrected" in (item.text_source, after[0].text_source):
            text = join_texts(item.text, after[0].text, language=item.recording.language)
            rows.append({**joined, "action": "text", "text": text})
        return rows


def read_tables(voice: str, stamp: str) -> Tables:
    """Read what the last run left for a voice.

    Raises:
        ValueError: A table is missing or does not fit the others.
    """
    for folder, file in ((MANIFESTS, "recordings.jsonl"), (CLIPS, "clips.jsonl"), (ALIGNED, "clips.jsonl")):
        if not (folder / voice / file).is_file():
            raise ValueError(
                f"{folder / voice / file} is missing: there is nothing to review before the clips have their "
                f"texts; run `vox run {voice}`, or `dvc repro align@{voice}` for these stages alone"
            )
    recordings = {row.recording_id: row for row in read_table(MANIFESTS / voice / "recordings.jsonl", Recording)}
    aligned = {row.clip_id: row for row in read_table(ALIGNED / voice / "clips.jsonl", AlignedClip)}
    found: dict[str, list[Disagreement]] = {}
    if (path := ALIGNED / voice / "disagreements.jsonl").is_file():
        for row in read_table(path, Disagreement):
            found.setdefault(row.clip_id, []).append(row)
    notes = [
        f"{recordings[row.recording_id].path}: the transcript has words that are in no clip: {row.written}"
        for row in found.pop("", ())
        if row.recording_id in recordings
    ]
    clips: dict[str, list[TableClip]] = {}
    for cut in read_table(CLIPS / voice / "clips.jsonl", Clip):
        if cut.clip_id not in aligned or cut.recording_id not in recordings:
            raise ValueError(f"{ALIGNED / voice} does not fit {CLIPS / voice}; run `dvc repro align@{voice}`")
        row = aligned[cut.clip_id]
        file = clip_file(row, CLIPS / voice, ALIGNED / voice)
        clips.setdefault(cut.recording_id, []).append(
            table_clip(cut, row, file=file, disagreements=found.get(cut.clip_id, ()))
        )
    return Tables(stamp, recordings, clips, read_decisions(MANIFESTS / voice), notes)


def _tables_of(voice: str) -> tuple[Path, ...]:
    return (
        MANIFESTS / voice / "recordings.jsonl",
        MANIFESTS / voice / DECISIONS_FILE,
        CLIPS / voice / "clips.jsonl",
        ALIGNED / voice / "clips.jsonl",
        ALIGNED / voice / "disagreements.jsonl",
    )


def _stamp(*paths: Path) -> str:
    """Return what changes whenever one of the files is replaced. A missing file is found when it is read."""
    stats = [path.stat() if path.is_file() else None for path in paths]
    return "-".join(f"{stat.st_mtime_ns:x}.{stat.st_size:x}" if stat else "0" for stat in stats)


def _fields(item: ClipItem, action: str, **more: Any) -> dict[str, Any]:
    span = {"start": item.span.start, "end": item.span.end}
    return {"recording_sha256": item.recording.sha256, **span, "action": action, **more}


def _next_time(rows: Sequence[Correction]) -> str:
    """Return the time now to the millisecond, later than any row, so that it names the rows of one request."""
    now = datetime.now(UTC)
    latest = max((datetime.fromisoformat(row.when) for row in rows), default=now - timedelta(days=1))
    time = max(now, latest + timedelta(milliseconds=1))
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")

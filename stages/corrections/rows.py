"""One row of corrections.jsonl: what a person decided about one clip. An undo is a row too, so nothing is ever lost."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Literal, NamedTuple

from pydantic import Field, field_validator, model_validator

from stages.tables import Row

MAX_TEXT_CHARS = 5000
SHORTEST_SECONDS = 0.5  # of a clip, the least that segment.min_clip_seconds may be
ROUNDING_SECONDS = 0.0001
LONGEST_SECONDS = 30.0  # of clips that a person merges: what a speech recogniser hears at once

Action = Literal["text", "drop", "restore", "split", "merge", "undo"]


class Span(NamedTuple):
    """Seconds [start, end) of a recording."""

    start: float
    end: float


class Correction(Row):
    """One decision about one clip. A row of data/1_recordings/VOICE/corrections.jsonl."""

    recording_sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="hash of the recording's bytes")
    start: float = Field(ge=0, description="start of the clip in the recording, in seconds")
    end: float = Field(gt=0, description="end of the clip in the recording, in seconds; for merge, of the last clip")
    action: Action = Field(
        description="text: `text` is what is said. drop: leave the clip out. restore: keep it, although a limit "
        "rejects it. split: cut it at `at`. merge: join the clips from start to end. undo: take the rows `undoes` back"
    )
    text: str | None = Field(default=None, max_length=MAX_TEXT_CHARS, description="for text: what is said in the clip")
    at: float | None = Field(default=None, gt=0, description="for split: where it is cut, in seconds of the recording")
    undoes: tuple[str, ...] | None = Field(default=None, min_length=1, description="for undo: ids of the rows")
    by: str = Field(min_length=1, max_length=64, description="who decided")
    when: str = Field(
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$",
        description="when, as 2026-11-29T05:40:12.345Z; rows of one request have the same time",
    )

    @field_validator("text", "by")
    @classmethod
    def _make_one_line(cls, text: str | None) -> str | None:
        if text is None:
            return None
        text = " ".join(text.split())
        if not text:
            raise ValueError("is empty; write what is said, or drop the clip")
        if not text.isprintable():
            raise ValueError("holds characters that cannot be shown; write plain text")
        return text

    @model_validator(mode="after")
    def _check_consistency(self) -> Correction:
        for field, action in (("text", "text"), ("at", "split"), ("undoes", "undo")):
            if (getattr(self, field) is None) == (self.action == action):
                verb = "needs" if self.action == action else "does not take"
                raise ValueError(f"the action {self.action} {verb} `{field}`")
        if self.end - self.start < SHORTEST_SECONDS - ROUNDING_SECONDS:
            raise ValueError(f"start = {self.start} must lie {SHORTEST_SECONDS} s or more before end = {self.end}")
        if self.at is not None and min(self.at - self.start, self.end - self.at) < SHORTEST_SECONDS:
            raise ValueError(f"at = {self.at} must leave {SHORTEST_SECONDS} s on both sides of {self.start}-{self.end}")
        if self.action == "merge" and self.end - self.start > LONGEST_SECONDS:
            raise ValueError(f"the joined clip has {self.end - self.start:.1f} s, at most {LONGEST_SECONDS:.0f} s")
        return self

    def line(self) -> str:
        """Return the row as JSON, without the fields that its action does not take."""
        return self.model_dump_json(exclude_none=True)

    def id(self) -> str:
        """Return what an undo names the row by. It follows from the row's content."""
        return hashlib.sha256(self.line().encode()).hexdigest()[:12]

    def spans(self) -> tuple[Span, ...]:
        """Return the clips that the decision leaves: two for a split."""
        if self.at is not None:
            return Span(self.start, self.at), Span(self.at, self.end)
        return (Span(self.start, self.end),)

    def where(self) -> str:
        """Return what it does and where, such as "drop of 1.20-3.50 s"."""
        return f"{self.action} of {self.start:.2f}-{self.end:.2f} s"


class NumberedCorrection(NamedTuple):
    """A row with the number of its line, counted from 1."""

    number: int
    row: Correction


class UnusedCorrection(NamedTuple):
    """A row that changes nothing, and why."""

    number: int
    reason: str


def rows_in_effect(rows: Iterable[Correction]) -> tuple[list[NumberedCorrection], list[UnusedCorrection]]:
    """Return the decisions that no later row undoes, in their order, and the undos that name no earlier row."""
    standing: dict[str, NumberedCorrection] = {}
    unused = []
    for number, row in enumerate(rows, start=1):
        if row.undoes is None:
            standing.pop(row.id(), None)  # the same row again, by a merge of two copies of the file, counts once
            standing[row.id()] = NumberedCorrection(number, row)
            continue
        unused += [
            UnusedCorrection(number, f"undo of {name}: no earlier row in effect has this id")
            for name in row.undoes
            if standing.pop(name, None) is None
        ]
    return list(standing.values()), unused

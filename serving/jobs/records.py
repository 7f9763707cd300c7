"""A job, its items and its states."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from serving.encoding import Format

State = Literal["queued", "running", "done", "needs_review", "failed", "cancelled", "deleted"]
OPEN_STATES: tuple[State, ...] = ("queued", "running")


@dataclass(frozen=True, kw_only=True)
class Wish:
    """How a job is to sound, besides its texts. It is kept as JSON.

    Attributes:
        voice: Name of the voice.
        version: Version that was asked for, None for the champion at the time of the first item.
        preset: Name of the preset.
        language: ISO 639 code, None for the voice's own.
        purpose: What the speech is for.
        seed: Of every item.
        format: Format of the files.
        sample_rate: Samples per second, None for the default of the format.
        priority: 1 to 9. A job with a smaller one starts first.
        timestamps: Whether to keep when each word is said.
    """

    voice: str
    version: int | None
    preset: str
    language: str | None
    purpose: str | None
    seed: int
    format: Format
    sample_rate: int | None
    priority: int
    timestamps: bool = False


@dataclass(frozen=True, kw_only=True)
class Result:
    """The speech of an item.

    Attributes:
        sha256: Of the file, in hex.
        n_bytes: Size of the file.
        seconds_of_audio: Its length with the pauses.
        sentences: Outcome, retries and sha256 of the text of each sentence, and its words with their times where the
            job has timestamps.
    """

    sha256: str
    n_bytes: int
    seconds_of_audio: float
    sentences: tuple[dict[str, Any], ...]

    @property
    def needs_review(self) -> bool:
        """Return whether a sentence was not spoken well."""
        return any(sentence["outcome"] != "spoken" for sentence in self.sentences)


@dataclass(frozen=True, kw_only=True)
class Item:
    """A text of a job.

    Attributes:
        item: Index, from 0.
        text: What to say, None once it is not needed any more.
        text_sha256: Of the text.
        result: Its speech, None until it is spoken.
    """

    item: int
    text: str | None
    text_sha256: str
    result: Result | None


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job as the database has it.

    Attributes:
        id: Its name.
        owner: Name of the caller who may see it.
        wish: How it is to sound.
        state: Where it is.
        attempt: How often it was claimed.
        version: Version that speaks it, None before the first item has begun.
        candidate_id: Of that version.
        error_type: Type of the ServingError that ended it, None where none did.
        error_message: Its message.
        traceparent: Trace context of the request that submitted it.
        created_at: When it was submitted.
        started_at: When it was first claimed.
        finished_at: When it ended.
        items: Its texts and results.
    """

    id: str
    owner: str
    wish: Wish
    state: State
    attempt: int
    version: int | None
    candidate_id: str | None
    error_type: str | None
    error_message: str | None
    traceparent: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    items: tuple[Item, ...]


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A job to be made.

    Attributes:
        id: Its name.
        owner: Name of the caller.
        wish: How it is to sound.
        texts: What to say, one text per item.
        idempotency_key: Of the request, None where it has none.
        fingerprint: sha256 of the whole request, which tells whether a key was used for another one.
        traceparent: Trace context of the request.
    """

    id: str
    owner: str
    wish: Wish
    texts: tuple[str, ...]
    idempotency_key: str | None
    fingerprint: str
    traceparent: str | None

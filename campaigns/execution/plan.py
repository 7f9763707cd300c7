"""A campaign and its rows as the tables have them, and their states."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from campaigns.errors import ExpiredError
from campaigns.records import CampaignSettings

CampaignState = Literal["loading", "running", "paused", "done", "cancelled", "expired"]
RowState = Literal["queued", "running", "done", "needs_review", "failed", "dead", "cancelled", "expired"]
ROW_STATES: tuple[RowState, ...] = (
    "queued",
    "running",
    "done",
    "needs_review",
    "failed",
    "dead",
    "cancelled",
    "expired",
)
OPEN_STATES: tuple[RowState, ...] = ("queued", "running")
RETRIED_STATES: tuple[RowState, ...] = ("needs_review", "failed", "dead", "cancelled")
ROWS_PER_SLICE = 32
WORKFLOW = "speak_slice"
QUEUE = "campaigns"


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """A campaign.

    Attributes:
        id: Its name in the tables and addresses.
        name: As the user calls it.
        owner: Name of the caller who may see it.
        plan: Its settings without template, lexicon and names of files.
        state: Where it is.
        run: Counts submissions, resumptions and retries.
        stopped_run: The run at which it was stopped last, 0 for never. A submission up to it does not start.
        version: That speaks it, frozen at the start.
        candidate_id: Of that version.
        error_type: Why it stopped before its end, None where it did not.
        error_message: The same in a sentence.
        rejects: Number of rows that the check refused, by reason.
        expected_seconds: Of audio, as the check found. None where it was not asked.
        created_at: When it was submitted first.
        submitted_at: When it was submitted last.
        started_at: When its first row was claimed.
        finished_at: When it ended.
        delete_delivered: Whether a person wants what was delivered deleted.
        content_deleted_at: When its texts were deleted.
    """

    id: str
    name: str
    owner: str
    plan: CampaignSettings
    state: CampaignState
    run: int
    stopped_run: int
    version: int
    candidate_id: str
    error_type: str | None
    error_message: str | None
    rejects: Mapping[str, int]
    expected_seconds: float | None
    created_at: datetime
    submitted_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    delete_delivered: bool
    content_deleted_at: datetime | None

    @property
    def has_ended(self) -> bool:
        """Return whether nothing will be spoken any more, unless somebody starts it again."""
        return self.state in ("done", "cancelled", "expired")


@dataclass(frozen=True, kw_only=True)
class ClaimedRow:
    """A row that this attempt works on.

    Attributes:
        campaign_id: Its campaign.
        recipient_id: Its recipient.
        place: In the order of the recipients, from 0.
        claim: Names the attempt.
        attempts: How often it was claimed, with this time.
        row_sha256: Of everything that decides the audio.
        language: ISO 639 code of the text.
        trace_id: 32 hexadecimal digits.
        content: Sealed.
        published: What an earlier attempt wrote before it put the file into the store. Empty where none came so far.
        former_keys: Of the files that the row had before it was changed or retried.
    """

    campaign_id: str
    recipient_id: str
    place: int
    claim: str
    attempts: int
    row_sha256: str
    language: str | None
    trace_id: str
    content: bytes | None
    published: Mapping[str, Any]
    former_keys: tuple[str, ...]

    @property
    def request_id(self) -> str:
        """Return the name of its speech in logs and in the audit."""
        return f"{self.campaign_id}-{self.place}"

    @property
    def traceparent(self) -> str:
        """Return the trace context of its speech."""
        return f"00-{self.trace_id}-{self.trace_id[:16]}-01"


@dataclass(frozen=True, kw_only=True)
class Asset:
    """What became of a row that was spoken.

    Attributes:
        state: done, or needs_review, which is not delivered.
        reason: Why it needs a review, None where it does not.
        reason_type: The first reason in a word: an outcome of a sentence, wer or similarity.
        object_key: Of its file in the store.
        sidecar_key: Of the signed mark beside it, None where the mark is inside or nothing is marked.
        is_marked: Whether a mark says that an AI made it.
        sha256: Of the file, in hex.
        n_bytes: Of the file.
        seconds: Of audio.
        reused_seconds: Of audio that came from the cache of sentences.
        gpt_seconds: Of work.
        sovits_seconds: Of work.
        sentences: Outcome, retries and sha256 of the text of each.
        wer: Word error rate by the judge, None where it was not judged.
        similarity: Speaker similarity by the judge, None where it was not judged.
        loudness_lufs: Of the file, None where it is too short to be measured.
        version: That spoke it.
        candidate_id: Of that version.
    """

    state: Literal["done", "needs_review"]
    reason: str | None
    reason_type: str | None
    object_key: str
    sidecar_key: str | None
    is_marked: bool
    sha256: str
    n_bytes: int
    seconds: float
    reused_seconds: float
    gpt_seconds: float
    sovits_seconds: float
    sentences: tuple[dict[str, Any], ...]
    wer: float | None
    similarity: float | None
    loudness_lufs: float | None
    version: int
    candidate_id: str

    def columns(self) -> dict[str, Any]:
        """Return the asset as the table of rows has it, without its state."""
        found = {name: value for name, value in vars(self).items() if name not in ("state", "reason", "reason_type")}
        return found | {
            "sentences": list(self.sentences),
            "error_type": self.reason_type,
            "error_message": self.reason,
        }


def require_unexpired(settings: CampaignSettings) -> None:
    """Refuse to speak or deliver after the time of a campaign.

    Raises:
        ExpiredError: Its expires_at has passed.
    """
    if settings.expires_at is not None and settings.expires_at <= datetime.now(UTC):
        raise ExpiredError(f"the campaign expired at {settings.expires_at.isoformat()}", param="expires_at")


def campaign_id_of(owner: str, name: str) -> str:
    """Return the id of a campaign. The same owner and name give the same id on every node.

    Args:
        owner: Name of the caller.
        name: As the caller calls it.
    """
    digest = hashlib.sha256(f"{owner}\0{name}".encode()).hexdigest()
    return f"campaign_{digest[:24]}"


def slice_id(campaign_id: str, number: int, run: int) -> str:
    """Return the id of the work at a slice. DBOS takes each once.

    Args:
        campaign_id: The campaign.
        number: Of the slice, from 0.
        run: Of the campaign, which grows with every submission, resumption and retry.
    """
    return f"{campaign_id}:{number}:{run}"


def first_id(work_id: str) -> str:
    """Return the id of the work at a slice before it was handed back."""
    return work_id.partition(".")[0]


def hand_back_id(work_id: str) -> str:
    """Return the next id of the same slice, under which it is queued again. It is greater than all before."""
    n_before = int(work_id.removeprefix(first_id(work_id)).removeprefix(".") or 0)
    return f"{handed_back_prefix(work_id)}{n_before + 1:012d}"


def handed_back_prefix(work_id: str) -> str:
    """Return how the ids begin under which a slice was queued again."""
    return f"{first_id(work_id)}."


def parse_slice_id(text: str) -> tuple[str, int]:
    """Return the campaign and the number of a slice from its id."""
    campaign_id, number, _ = text.split(":")
    return campaign_id, int(number)


def stored_plan(settings: CampaignSettings) -> dict[str, Any]:
    """Return the settings as the table keeps them: without the template, which may name people, and the lexicon."""
    plain = settings.model_copy(update={"template": "-", "lexicon": None, "disclosure": None})
    return plain.model_dump(mode="json")

"""What clients of /v1/campaigns send and get, as OpenAPI publishes it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from campaigns.execution.plan import CampaignState
from campaigns.records import CampaignSettings
from campaigns.report.assets import AssetInfo
from campaigns.report.summary import Summary

Cell = str | int | float | bool | None


class CampaignBody(BaseModel):
    """The body of POST /v1/campaigns."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    campaign: CampaignSettings = Field(description="How it is spoken and delivered. It may not name files.")
    recipients: list[dict[str, Cell]] = Field(
        min_length=1,
        max_length=1_000_000,
        description="A row per recipient: recipient_id, language, opt_in_reference, and the template's variables.",
    )
    dry_run: bool = Field(default=False, description="Check every row and speak nothing. The answer is the report.")
    accept_rejects: bool = Field(default=False, description="Speak the other rows where the check refuses some.")


class CampaignInfo(BaseModel):
    """A campaign and how far it is. GET /v1/campaigns/{id}/report.json has more."""

    id: str
    object: str = "campaign"
    name: str
    status: CampaignState
    voice: str
    version: int = Field(description="That speaks it, frozen at the start.")
    candidate_id: str
    purpose: str
    response_format: str
    rows: dict[str, int] = Field(description="Number of rows by state.")
    rejects: dict[str, int] = Field(description="Number of rows that the check refused, by reason.")
    progress: float = Field(description="Share of the rows that have ended, 0 to 1.")
    seconds_of_audio: float = Field(description="That was delivered.")
    expected_seconds: float | None
    reused_seconds: float = Field(description="Of audio that came from the cache of sentences.")
    error: dict[str, str] | None = Field(description="Why it stopped before its end.")
    last_delivered: dict[str, Any] | None = Field(description="The row that was delivered last.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class SubmittedInfo(CampaignInfo):
    """A campaign after its submission."""

    n_new: int = Field(description="Rows of recipients that it did not have.")
    n_changed: int = Field(description="Rows that sound otherwise now, and are spoken again.")
    n_same: int = Field(description="Rows that stay as they are.")


class AssetPage(BaseModel):
    """Some rows of a campaign."""

    object: str = "list"
    data: list[AssetInfo]
    next_cursor: int | None = Field(description="For the next page. None where there is none.")


class CampaignList(BaseModel):
    """The campaigns of a caller, the newest first."""

    object: str = "list"
    data: list[CampaignInfo]


def describe(summary: Summary) -> dict[str, Any]:
    """Return the fields of CampaignInfo."""
    one = summary.campaign
    return {
        "id": one.id,
        "name": one.name,
        "status": one.state,
        "voice": one.plan.voice,
        "version": one.version,
        "candidate_id": one.candidate_id,
        "purpose": one.plan.purpose,
        "response_format": one.plan.format,
        "rows": summary.rows,
        "rejects": summary.rejects,
        "progress": summary.progress,
        "seconds_of_audio": summary.seconds,
        "expected_seconds": summary.expected_seconds,
        "reused_seconds": summary.reused_seconds,
        "error": {"type": one.error_type, "message": one.error_message or ""} if one.error_type else None,
        "last_delivered": summary.last_delivered,
        "created_at": one.created_at,
        "started_at": one.started_at,
        "finished_at": one.finished_at,
    }

"""Rows as others see them, page by page. No text and no variable is among them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel, Field

from campaigns.execution.plan import Campaign, RowState
from campaigns.tables import ROWS
from serving.database import Database

PAGE_ROWS = 500


class AssetInfo(BaseModel):
    """A row of a campaign."""

    recipient_id: str
    status: RowState = Field(description="needs_review: it was spoken, and is not good enough to be delivered.")
    url: str | None = Field(description="Where to get the file, for some time. None where it is not delivered.")
    seconds: float | None = Field(description="Of audio.")
    sha256: str | None = Field(description="Of the file.")
    n_bytes: int | None
    reason: str | None = Field(description="Why it is not done.")
    error_type: str | None
    attempts: int
    trace_id: str
    version: int | None
    candidate_id: str | None
    row_sha256: str = Field(description="Of everything that decides the sound. It changes when the row does.")
    sentences: list[dict[str, Any]] = Field(description="Outcome, retries and sha256 of the text of each sentence.")
    wer: float | None = Field(description="Word error rate as a judge heard it. None where it was not judged.")
    similarity: float | None
    loudness_lufs: float | None
    provenance: str | None = Field(description="`inside` the file, or the key of the signed file beside it.")
    finished_at: datetime | None


def read_assets(
    database: Database,
    campaign: Campaign,
    sign: Callable[[str], str],
    *,
    status: RowState | None = None,
    after: int = -1,
    limit: int = PAGE_ROWS,
) -> tuple[list[AssetInfo], int | None]:
    """Return some rows in the order of the recipients, and the cursor of the next ones.

    Args:
        database: Of serving.
        campaign: The campaign.
        sign: Returns the address of a file by its key.
        status: Only rows of this state, None for all.
        after: Cursor that an earlier call returned, -1 for the first rows.
        limit: At most so many.

    Returns:
        The rows, and the cursor or None where there are no more.
    """
    chosen = sa.select(ROWS).where(ROWS.c.campaign_id == campaign.id, ROWS.c.place > after)
    chosen = chosen if status is None else chosen.where(ROWS.c.state == status)
    # Two submissions can give the same place to two rows, so a page ends with all rows of its last place
    first = chosen.with_only_columns(ROWS.c.place).order_by(ROWS.c.place).limit(limit).subquery()
    last = sa.select(sa.func.max(first.c.place))
    with database.transaction() as connection:
        end = connection.scalar(last)
        if end is None:
            return [], None
        ordered = chosen.where(ROWS.c.place <= end).order_by(ROWS.c.place, ROWS.c.recipient_id)
        found = list(connection.execute(ordered).mappings())
    return [_asset(row, sign) for row in found], (end if len(found) >= limit else None)


def all_assets(database: Database, campaign: Campaign, sign: Callable[[str], str]) -> Iterator[AssetInfo]:
    """Yield all rows of a campaign in the order of the recipients, in memory that does not grow with their number.

    Args:
        database: Of serving.
        campaign: The campaign.
        sign: Returns the address of a file by its key.
    """
    cursor: int | None = -1
    while cursor is not None:
        rows, cursor = read_assets(database, campaign, sign, after=cursor)
        yield from rows


def _asset(row: sa.RowMapping, sign: Callable[[str], str]) -> AssetInfo:
    is_delivered = row["state"] == "done" and row["deleted_at"] is None
    same = ("recipient_id", "seconds", "sha256", "n_bytes", "error_type", "attempts", "trace_id", "version")
    same += ("candidate_id", "row_sha256", "wer", "similarity", "loudness_lufs", "finished_at")
    return AssetInfo(
        **{name: row[name] for name in same},
        status=row["state"],
        url=sign(row["object_key"]) if is_delivered else None,
        reason="the file was deleted" if row["deleted_at"] and row["state"] == "done" else row["error_message"],
        sentences=list(row["sentences"] or ()),
        provenance=row["sidecar_key"] or ("inside" if row["is_marked"] else None),
    )

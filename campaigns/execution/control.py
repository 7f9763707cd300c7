"""Pause, resume, cancel and retry a campaign, end it, and delete what is kept no longer. One transaction each."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from pydantic import ValidationError

from campaigns.execution.plan import OPEN_STATES, RETRIED_STATES, Campaign, CampaignState, RowState
from campaigns.execution.submitting import AGAIN, Enqueue, enqueue_slices, read_campaign
from campaigns.records import CampaignSettings
from campaigns.tables import CAMPAIGNS, ROWS, WEBHOOKS
from serving.database import Database
from serving.errors import ConflictError, ServingError

UNREADABLE: set[str] = set()  # ids of campaigns that the log has named, as they are looked for each second
LOG = logging.getLogger(__name__)


def find(database: Database, campaign_id: str, owner: str | None = None) -> Campaign:
    """Return a campaign.

    Args:
        database: Of serving.
        campaign_id: Its id.
        owner: Name of the caller who must own it, None where anybody may see it.

    Raises:
        UnknownCampaignError: There is none that the caller may see.
    """
    with database.transaction() as connection:
        return read_campaign(connection, campaign_id, owner)


def find_all(
    database: Database, *, owner: str | None = None, name: str | None = None, limit: int | None = 1000
) -> list[Campaign]:
    """Return campaigns, the newest first.

    Args:
        database: Of serving.
        owner: Name of the caller, None for those of everybody.
        name: As its owner calls it, None for any.
        limit: At most so many, None for all.
    """
    chosen = sa.select(CAMPAIGNS.c.id).order_by(CAMPAIGNS.c.created_at.desc(), CAMPAIGNS.c.id)
    chosen = chosen if owner is None else chosen.where(CAMPAIGNS.c.owner == owner)
    chosen = chosen if name is None else chosen.where(CAMPAIGNS.c.name == name)
    with database.transaction() as connection:
        return _read_each(connection, chosen.limit(limit))


def find_started(database: Database, settings: CampaignSettings, owner: str) -> Campaign | None:
    """Return the campaign that another start of these settings goes on with, with its version. None for a new one.

    Args:
        database: Of serving.
        settings: Of the campaign. Another voice, or a version that they name, begins anew.
        owner: Name of the caller.
    """
    for known in find_all(database, owner=owner, name=settings.name):
        if settings.version in (None, known.version) and settings.voice == known.plan.voice:
            return known
    return None


def pause(database: Database, campaign_id: str) -> Campaign:
    """Stop claiming rows. Those that are being spoken come to their end.

    Raises:
        ConflictError: It is not running.
    """
    with database.transaction() as connection:
        _move(connection, campaign_id, ("running", "paused"), "paused")
        return read_campaign(connection, campaign_id)


def resume(database: Database, campaign_id: str, enqueue: Enqueue) -> Campaign:
    """Claim rows again after a pause. One that runs already, such as by a call whose answer was lost, stays so.

    Raises:
        ConflictError: It is neither paused nor running.
    """
    with database.transaction() as connection:
        before = sa.select(CAMPAIGNS.c.state).where(CAMPAIGNS.c.id == campaign_id).with_for_update()
        runs = connection.scalar(before) == "running"
        _move(connection, campaign_id, ("running", "paused"), "running")
        if runs:
            return read_campaign(connection, campaign_id)
        return _enqueue_again(connection, campaign_id, enqueue)


def retry(database: Database, campaign_id: str, enqueue: Enqueue) -> tuple[Campaign, int]:
    """Queue the rows again that failed, died, were cancelled or need a review. Return it and their number.

    A paused campaign stays so.

    Raises:
        ConflictError: It is being submitted, or its texts were deleted after their time.
    """
    with database.transaction() as connection:
        campaign = read_campaign(connection, campaign_id)
        if campaign.state == "loading":
            raise ConflictError("the campaign is being submitted; try again when it runs")
        rows = (ROWS.c.campaign_id == campaign_id) & ROWS.c.state.in_(RETRIED_STATES)
        rows &= sa.func.coalesce(ROWS.c.error_type, "") != "left_out"
        lost = connection.scalar(sa.select(sa.func.count()).where(rows, ROWS.c.content.is_(None)))
        if lost:
            raise ConflictError(f"the texts of {lost} rows were deleted after their time; submit the campaign again")
        n_rows = connection.execute(sa.update(ROWS).where(rows).values(AGAIN | {"state": "queued"})).rowcount
        if n_rows and campaign.state != "paused":
            goes_on = {"finished_at": None, "error_type": None, "error_message": None, "delete_delivered": False}
            mine = CAMPAIGNS.c.id == campaign_id
            connection.execute(sa.update(CAMPAIGNS).where(mine).values(state="running", **goes_on))
            campaign = _enqueue_again(connection, campaign_id, enqueue)
        return campaign, n_rows


def queue_again(database: Database, campaign: Campaign, enqueue: Enqueue) -> bool:
    """Queue the slices of a running campaign again. Return False where somebody has started it meanwhile, or ended it.

    Args:
        database: Of serving.
        campaign: As it was seen.
        enqueue: Queues a slice, by its id.
    """
    as_seen = (CAMPAIGNS.c.id == campaign.id) & (CAMPAIGNS.c.run == campaign.run) & (CAMPAIGNS.c.state == "running")
    with database.transaction() as connection:
        run = campaign.run + 1
        if not connection.execute(sa.update(CAMPAIGNS).where(as_seen).values(run=run)).rowcount:
            return False
        enqueue_slices(connection, campaign.id, run, enqueue)
        return True


def stop(
    database: Database,
    campaign_id: str,
    state: CampaignState,
    error: ServingError | None = None,
    *,
    delete: bool = False,
) -> Campaign | None:
    """End a campaign before its rows are done: they are cancelled, also those that are being spoken.

    A person ends with it also a submission that is under way, whatever the state of the campaign is.

    Args:
        database: Of serving.
        campaign_id: The campaign.
        state: cancelled or expired.
        error: Why, None where a person cancelled it.
        delete: Whether that person wants what was delivered deleted.

    Returns:
        The campaign, or None where it had ended before.
    """
    why = {"error_type": error.type if error else None, "error_message": error.message if error else None}
    now = datetime.now(UTC)
    with database.transaction() as connection:
        open_campaign = (CAMPAIGNS.c.id == campaign_id) & CAMPAIGNS.c.state.in_(("loading", "running", "paused"))
        stopped: dict[str, Any] = {"stopped_run": CAMPAIGNS.c.run} | ({"delete_delivered": True} if delete else {})
        values = stopped | {"state": state, "finished_at": now} | why
        if not connection.execute(sa.update(CAMPAIGNS).where(open_campaign).values(values)).rowcount:
            if error is None:
                connection.execute(sa.update(CAMPAIGNS).where(CAMPAIGNS.c.id == campaign_id).values(stopped))
            return None
        rows = (ROWS.c.campaign_id == campaign_id) & ROWS.c.state.in_(OPEN_STATES)
        row_values = {"state": state, "claim": None, "finished_at": now} | why
        connection.execute(sa.update(ROWS).where(rows).values(row_values))
        campaign = read_campaign(connection, campaign_id)
        _tell(connection, campaign)
        return campaign


def end_if_done(database: Database, campaign_id: str) -> Campaign | None:
    """End a running campaign whose last row has ended. Return it, or None where it goes on."""
    with database.transaction() as connection:
        is_open = sa.exists().where(ROWS.c.campaign_id == campaign_id, ROWS.c.state.in_(OPEN_STATES))
        running = (CAMPAIGNS.c.id == campaign_id) & (CAMPAIGNS.c.state == "running") & ~is_open
        values = {"state": "done", "finished_at": datetime.now(UTC)}
        if not connection.execute(sa.update(CAMPAIGNS).where(running).values(values)).rowcount:
            return None
        campaign = read_campaign(connection, campaign_id)
        _tell(connection, campaign)
        return campaign


def open_campaigns(database: Database) -> list[Campaign]:
    """Return the campaigns that have not ended. One that is submitted again has delivered files already."""
    chosen = sa.select(CAMPAIGNS.c.id).where(CAMPAIGNS.c.state.in_(("loading", "running", "paused")))
    with database.transaction() as connection:
        return _read_each(connection, chosen)


def delete_old_contents(database: Database, now: datetime) -> list[Campaign]:
    """Delete the texts of campaigns whose time is over. Return these campaigns.

    The time begins when a campaign ends, or when it was submitted last where that is later or it has not ended.
    """
    chosen = sa.select(CAMPAIGNS.c.id).where(CAMPAIGNS.c.content_deleted_at.is_(None))
    found = []
    with database.transaction() as connection:
        for campaign in _read_each(connection, chosen):
            since = max(campaign.submitted_at, campaign.finished_at or campaign.submitted_at)
            if since + timedelta(days=campaign.plan.keep_variables_days) > now:
                continue
            connection.execute(sa.update(ROWS).where(ROWS.c.campaign_id == campaign.id).values(content=None))
            mine = CAMPAIGNS.c.id == campaign.id
            connection.execute(sa.update(CAMPAIGNS).where(mine).values(content_deleted_at=now))
            found.append(campaign)
    return found


def stray_keys(
    database: Database, campaign_id: str, states: Sequence[RowState], *, limit: int = 100
) -> list[tuple[str, tuple[str, ...]]]:
    """Return recipients and the keys of their files, of rows in some states. A mark beside a file is one of them.

    Args:
        database: Of serving.
        campaign_id: The campaign.
        states: Of the rows.
        limit: At most so many.
    """
    columns = (ROWS.c.object_key, ROWS.c.sidecar_key, ROWS.c.former_keys)
    has_file = ROWS.c.object_key.is_not(None) & ROWS.c.deleted_at.is_(None)
    chosen = sa.select(ROWS.c.recipient_id, *columns).where(
        ROWS.c.campaign_id == campaign_id, ROWS.c.state.in_(states), has_file | ROWS.c.former_keys.is_not(None)
    )
    with database.transaction() as connection:
        found = connection.execute(chosen.limit(limit)).tuples()
        return [(recipient_id, tuple(" ".join(filter(None, keys)).split())) for recipient_id, *keys in found]


def late_keys(database: Database, campaign_id: str, since: datetime) -> list[str]:
    """Return the keys of rows that were stopped while their files were put, which can arrive after they were deleted.

    Args:
        database: Of serving.
        campaign_id: The campaign.
        since: Only of rows that were stopped after it.
    """
    stopped = (ROWS.c.campaign_id == campaign_id) & ROWS.c.state.in_(("cancelled", "expired"))
    stopped &= ROWS.c.object_key.is_not(None) & (ROWS.c.finished_at > since)
    with database.transaction() as connection:
        found = connection.execute(sa.select(ROWS.c.object_key, ROWS.c.sidecar_key).where(stopped)).tuples()
        return [key for keys in found for key in keys if key is not None]


def note_deleted(database: Database, campaign_id: str, recipient_ids: Sequence[str]) -> None:
    """Note that the files of rows were deleted."""
    rows = (ROWS.c.campaign_id == campaign_id) & ROWS.c.recipient_id.in_(recipient_ids)
    with database.transaction() as connection:
        connection.execute(sa.update(ROWS).where(rows).values(deleted_at=datetime.now(UTC), former_keys=None))


def is_needed(database: Database, key: str, *, except_for: tuple[str, str | None] | None = None) -> bool:
    """Return whether a row has a file, and keeps it.

    Args:
        database: Of serving.
        key: Of the file, or of the mark beside one.
        except_for: Campaign and recipient of a row that does not count. Without a recipient, none of its rows counts.
    """
    states = ("done", "needs_review", "running")
    has_it = (ROWS.c.object_key == key) | (ROWS.c.sidecar_key == key)
    rows = has_it & ROWS.c.state.in_(states) & ROWS.c.deleted_at.is_(None)
    if except_for is not None:
        campaign_id, recipient_id = except_for
        own = ROWS.c.campaign_id == campaign_id
        rows &= ~(own if recipient_id is None else own & (ROWS.c.recipient_id == recipient_id))
    with database.transaction() as connection:
        return connection.scalar(sa.select(ROWS.c.place).where(rows).limit(1)) is not None


def _read_each(connection: sa.Connection, chosen: sa.Select[tuple[str]]) -> list[Campaign]:
    """Return campaigns by their ids, without those that only a newer version of the service can read.

    One of them must not keep a revocation, or a deletion, from the others.
    """
    found = []
    for campaign_id in connection.scalars(chosen).all():
        try:
            found.append(read_campaign(connection, campaign_id))
        except (ValidationError, TypeError) as error:
            if campaign_id not in UNREADABLE:
                UNREADABLE.add(campaign_id)
                reason = type(error).__name__  # its message has the values
                LOG.error("campaign %s is left to other nodes, as its row cannot be read: %s", campaign_id, reason)
    return found


def _move(connection: sa.Connection, campaign_id: str, states: tuple[CampaignState, ...], to: CampaignState) -> None:
    mine = (CAMPAIGNS.c.id == campaign_id) & CAMPAIGNS.c.state.in_(states)
    if not connection.execute(sa.update(CAMPAIGNS).where(mine).values(state=to)).rowcount:
        campaign = read_campaign(connection, campaign_id)
        raise ConflictError(f"the campaign is {campaign.state}, and this takes one that is {' or '.join(states)}")


def _enqueue_again(connection: sa.Connection, campaign_id: str, enqueue: Enqueue) -> Campaign:
    mine = CAMPAIGNS.c.id == campaign_id
    connection.execute(sa.update(CAMPAIGNS).where(mine).values(run=CAMPAIGNS.c.run + 1))
    campaign = read_campaign(connection, campaign_id)
    enqueue_slices(connection, campaign_id, campaign.run, enqueue)
    return campaign


def _tell(connection: sa.Connection, campaign: Campaign) -> None:
    """Write the message to the receiver of a campaign that has ended, in the transaction that ends it."""
    if campaign.plan.callback_url is None:
        return
    counts = sa.select(ROWS.c.state, sa.func.count()).where(ROWS.c.campaign_id == campaign.id).group_by(ROWS.c.state)
    data: dict[str, Any] = {
        "id": campaign.id,
        "name": campaign.name,
        "status": campaign.state,
        "version": campaign.version,
        "error": campaign.error_type,
        "rows": dict(connection.execute(counts).tuples().all()),
    }
    moment = campaign.finished_at or datetime.now(UTC)
    body = {"type": f"campaign.{campaign.state}", "timestamp": moment.isoformat(), "data": data}
    row = {
        "id": f"msg_{secrets.token_hex(16)}",
        "campaign_id": campaign.id,
        "url": campaign.plan.callback_url,
        "body": json.dumps(body, separators=(",", ":")),
        "attempts": 0,
        "next_at": datetime.now(UTC),
    }
    connection.execute(sa.insert(WEBHOOKS).values(row))

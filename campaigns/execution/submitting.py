"""Rows into the tables, so that a second submission changes only what differs.

A campaign is submitted in three steps: `begin`, `add_rows` for a few hundred rows at a time, and `start`, which queues
its slices in the same transaction that sets it running. A submission that is killed on the way is begun again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from campaigns.errors import CampaignError
from campaigns.execution.plan import (
    OPEN_STATES,
    ROWS_PER_SLICE,
    Campaign,
    campaign_id_of,
    slice_id,
    stored_plan,
)
from campaigns.execution.sealing import Sealer, SealError
from campaigns.records import CampaignSettings, RenderedRow
from campaigns.tables import CAMPAIGNS, ROWS
from serving.database import Database
from serving.errors import ConflictError

Enqueue = Callable[[sa.Connection, str], None]
_KEYS = [sa.func.coalesce(ROWS.c[name], "") + " " for name in ("former_keys", "object_key", "sidecar_key")]
AGAIN = {  # what a row loses when it is to be spoken again. The keys of its files are remembered, to delete them later
    "former_keys": sa.func.nullif(sa.func.trim(_KEYS[0] + _KEYS[1] + _KEYS[2]), ""),
    "claim": None,
    "attempts": 0,
    "object_key": None,
    "sidecar_key": None,
    "error_type": None,
    "error_message": None,
    "finished_at": None,
    "deleted_at": None,
    "wer": None,
    "similarity": None,
}


class UnknownCampaignError(CampaignError):
    """The caller may see no campaign of this name."""

    status, type = 404, "unknown_campaign"
    action = (
        "Take an id that POST /v1/campaigns returned with the same key, or a name that `vox campaign status` lists."
    )


@dataclass(frozen=True, kw_only=True)
class Submitted:
    """What a submission has changed.

    Attributes:
        campaign: As it is now.
        n_new: Rows of recipients that it did not have.
        n_changed: Rows that sound otherwise now.
        n_same: Rows that stay as they are.
    """

    campaign: Campaign
    n_new: int
    n_changed: int
    n_same: int


def begin(database: Database, settings: CampaignSettings, *, owner: str, version: int, candidate_id: str) -> Campaign:
    """Make a campaign, or open the one of this name for another submission.

    Args:
        database: Of serving, with the tables of campaigns.
        settings: How it is spoken and delivered.
        owner: Name of the caller.
        version: That speaks it. One that was started keeps the version that it was started with, unless the settings
            name another one.
        candidate_id: Of that version.
    """
    campaign_id = campaign_id_of(owner, settings.name)
    values = {"plan": stored_plan(settings), "version": version, "candidate_id": candidate_id}
    values |= {"submitted_at": _now(), "content_deleted_at": None}
    with database.transaction() as connection:
        row = {
            "id": campaign_id,
            "name": settings.name,
            "owner": owner,
            "state": "loading",
            "run": 0,
            "rejects": {},
            "created_at": _now(),
        }
        insert = _insert(database)(CAMPAIGNS).values(row | values).on_conflict_do_nothing()
        connection.execute(insert)
        mine = CAMPAIGNS.c.id == campaign_id
        before = read_campaign(connection, campaign_id)
        connection.execute(sa.update(CAMPAIGNS).where(mine).values(values | {"run": CAMPAIGNS.c.run + 1}))
        campaign = read_campaign(connection, campaign_id)
        if before.state in ("running", "paused") and _sound_of(before) != _sound_of(campaign):
            # No row of the submission before is spoken by these settings, also where this one is killed
            connection.execute(sa.update(CAMPAIGNS).where(mine).values(state="loading"))
        return campaign


def add_rows(
    database: Database, campaign: Campaign, sealer: Sealer, rows: Sequence[RenderedRow], *, first_place: int
) -> tuple[int, int, int]:
    """Write rows of a submission. Return how many were new, changed and the same.

    Args:
        database: Of serving.
        campaign: As `begin` returned it.
        sealer: Encrypts their contents.
        rows: Some of its rows, in their order.
        first_place: Number of the first of them in the campaign, from 0.

    Raises:
        ConflictError: Another submission with other settings has begun.
    """
    written = [_columns(campaign, sealer, row, first_place + number) for number, row in enumerate(rows)]
    mine = ROWS.c.campaign_id == campaign.id
    with database.transaction() as connection:
        _require_same_sound(read_campaign(connection, campaign.id), campaign)
        ids = [row.recipient_id for row in rows]
        columns = (ROWS.c.recipient_id, ROWS.c.row_sha256, ROWS.c.state, ROWS.c.deleted_at, ROWS.c.place)
        found = connection.execute(sa.select(*columns).where(mine, ROWS.c.recipient_id.in_(ids)))
        known = {row.recipient_id: row for row in found}
        new = [row for row in written if row["recipient_id"] not in known]
        if new:
            connection.execute(_insert(database)(ROWS).on_conflict_do_nothing(), new)
        n_changed = 0
        for row in written:
            before = known.get(row["recipient_id"])
            if before is None:
                continue
            this = mine & (ROWS.c.recipient_id == row["recipient_id"])
            if before.row_sha256 != row["row_sha256"]:
                n_changed += 1
                connection.execute(sa.update(ROWS).where(this).values(row | AGAIN))
                continue
            kept = {"place": row["place"]} if before.place != row["place"] else {}  # but not its slice, which may run
            if before.state != "done" or before.deleted_at is not None:
                kept["content"] = row["content"]  # it may be deleted, or sealed with a key that was lost
            if kept:
                connection.execute(sa.update(ROWS).where(this).values(kept))
        seen = mine & ROWS.c.recipient_id.in_(ids) & (ROWS.c.run < campaign.run)
        connection.execute(sa.update(ROWS).where(seen).values(run=campaign.run))
    return len(new), n_changed, len(rows) - len(new) - n_changed


def start(
    database: Database,
    campaign: Campaign,
    enqueue: Enqueue,
    *,
    rejects: Mapping[str, int],
    expected_seconds: float | None,
) -> Campaign:
    """Set a campaign running after its rows were written. Return it as it is then.

    Rows of recipients that this submission does not have are cancelled if they were not delivered yet. Those that an
    earlier end cancelled are queued again, as are those whose file was deleted or whose text could not be opened.
    A campaign that was stopped while its rows were written does not start.

    Args:
        database: Of serving.
        campaign: As `begin` returned it.
        enqueue: Queues a slice, by its id.
        rejects: Number of rows that the check refused, by reason.
        expected_seconds: Of audio, None where it is not known.

    Raises:
        ConflictError: Another submission with other settings has begun.
    """
    mine = ROWS.c.campaign_id == campaign.id
    with database.transaction() as connection:
        # Whoever ends it waits until here, so that what is counted below is still true when it is written
        connection.execute(sa.select(CAMPAIGNS.c.id).where(CAMPAIGNS.c.id == campaign.id).with_for_update())
        now = read_campaign(connection, campaign.id)
        if now.stopped_run >= campaign.run:
            return _give_up(connection, now)
        _require_same_sound(now, campaign)
        gone = mine & (ROWS.c.run < campaign.run) & (ROWS.c.state != "done")  # no retry may speak it either
        left_out = {"state": "cancelled", "error_type": "left_out", "error_message": "the new list does not have it"}
        connection.execute(sa.update(ROWS).where(gone).values(left_out | {"claim": None, "finished_at": _now()}))
        again = mine & ~(ROWS.c.run < campaign.run) & ROWS.c.content.is_not(None)
        again &= (
            ROWS.c.state.in_(("cancelled", "expired"))
            | (ROWS.c.error_type == SealError.type)
            | (ROWS.c.state == "done") & ROWS.c.deleted_at.is_not(None)
        )
        connection.execute(sa.update(ROWS).where(again).values(AGAIN | {"state": "queued"}))
        n_queued = enqueue_slices(connection, campaign.id, campaign.run, enqueue)
        values: dict[str, Any] = {"rejects": dict(rejects), "expected_seconds": expected_seconds}
        values["delete_delivered"] = False
        n_open = connection.scalar(sa.select(sa.func.count()).where(mine, ROWS.c.state.in_(OPEN_STATES))) or 0
        state = {"state": "running", "finished_at": None, "error_type": None, "error_message": None}
        if not (n_queued or n_open):  # there is nothing to do
            state = {
                "state": "done",
                "finished_at": sa.func.coalesce(
                    CAMPAIGNS.c.finished_at, sa.literal(_now(), CAMPAIGNS.c.finished_at.type)
                ),
            }
        connection.execute(sa.update(CAMPAIGNS).where(CAMPAIGNS.c.id == campaign.id).values(values | state))
        return read_campaign(connection, campaign.id)


def enqueue_slices(connection: sa.Connection, campaign_id: str, run: int, enqueue: Enqueue) -> int:
    """Queue every slice that has a row to speak. Return how many."""
    waiting = sa.select(ROWS.c.slice).where(ROWS.c.campaign_id == campaign_id, ROWS.c.state == "queued").distinct()
    numbers = sorted(connection.scalars(waiting))
    for number in numbers:
        enqueue(connection, slice_id(campaign_id, number, run))
    return len(numbers)


def read_campaign(connection: sa.Connection, campaign_id: str, owner: str | None = None) -> Campaign:
    """Return a campaign.

    Args:
        connection: Of a transaction.
        campaign_id: Its id.
        owner: Name of the caller who must own it, None where anybody may see it.

    Raises:
        UnknownCampaignError: There is none that the caller may see.
    """
    row = connection.execute(sa.select(CAMPAIGNS).where(CAMPAIGNS.c.id == campaign_id)).mappings().first()
    if row is None or (owner is not None and row["owner"] != owner):
        raise UnknownCampaignError(f"there is no campaign {campaign_id[:60]!r} that you may see")
    return Campaign(**{**row, "plan": CampaignSettings.model_validate(row["plan"])})


def _columns(campaign: Campaign, sealer: Sealer, row: RenderedRow, place: int) -> dict[str, Any]:
    content = {"text": row.text, "words": row.words, "opt_in_reference": row.opt_in_reference}
    opt_in = row.opt_in_reference
    return {
        "campaign_id": campaign.id,
        "recipient_id": row.recipient_id,
        "place": place,
        "slice": place // ROWS_PER_SLICE,
        "run": campaign.run,
        "row_sha256": row.row_sha256,
        "text_sha256": hashlib.sha256(row.text.encode()).hexdigest(),
        "opt_in_sha256": None if opt_in is None else hashlib.sha256(opt_in.encode()).hexdigest(),
        "content": sealer.seal(content, campaign_id=campaign.id, recipient_id=row.recipient_id),
        "language": row.language,
        "trace_id": hashlib.sha256(f"{campaign.id}\0{row.row_sha256}".encode()).hexdigest()[:32],
        "state": "queued",
        "attempts": 0,
    }


def _give_up(connection: sa.Connection, campaign: Campaign) -> Campaign:
    """End a submission that was stopped on the way. Return the campaign."""
    if not campaign.has_ended:  # somebody has set it going again since, and its rows with it
        return campaign
    state = "expired" if campaign.state == "expired" else "cancelled"
    rows = (ROWS.c.campaign_id == campaign.id) & ROWS.c.state.in_(OPEN_STATES)
    ended = {"state": state, "claim": None, "finished_at": _now()}
    if connection.execute(sa.update(ROWS).where(rows).values(ended)).rowcount:  # it can have been done before
        connection.execute(
            sa.update(CAMPAIGNS).where(CAMPAIGNS.c.id == campaign.id).values(state=state, finished_at=_now())
        )
    return read_campaign(connection, campaign.id)


def _require_same_sound(now: Campaign, begun: Campaign) -> None:
    """Refuse to go on with a submission after another one, by whose settings its rows would be spoken."""
    if _sound_of(now) != _sound_of(begun):
        raise ConflictError("another submission of the campaign with other settings has begun; submit it again")


def _sound_of(campaign: Campaign) -> tuple[object, ...]:
    """Return what decides the sound of a campaign besides its rows."""
    plan = campaign.plan
    form = (plan.format, plan.sample_rate, plan.loudness_lufs)
    return plan.voice, campaign.candidate_id, plan.preset, plan.seed, plan.purpose, form


def _insert(database: Database) -> Any:
    return sqlite.insert if database.is_sqlite else postgresql.insert


def _now() -> datetime:
    return datetime.now(UTC)

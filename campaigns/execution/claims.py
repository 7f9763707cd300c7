"""Rows claimed, published and finished. Every function is one transaction, and only the newest claim may write.

A row is published before its file is put into the store: its key and everything that is known of it are written, still
as a running row. So a kill between the two leaves no file that nothing names, and the next attempt finds what there is.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from campaigns.execution.plan import OPEN_STATES, Asset, Campaign, ClaimedRow, RowState
from campaigns.execution.submitting import read_campaign
from campaigns.tables import CAMPAIGNS, ROWS
from serving.database import Database
from serving.tables import NODES, REQUESTS

PUBLISHED = (
    "object_key",
    "sidecar_key",
    "is_marked",
    "sha256",
    "n_bytes",
    "seconds",
    "reused_seconds",
    "gpt_seconds",
    "sovits_seconds",
    "sentences",
    "wer",
    "similarity",
    "loudness_lufs",
    "version",
    "candidate_id",
    "error_type",  # why it needs a review
    "error_message",
)


@dataclass(frozen=True, kw_only=True)
class SliceWork:
    """What is left to do in a slice.

    Attributes:
        has_queued: Whether a row waits, in a campaign that is running.
        has_running: Whether a row of this work is being spoken.
    """

    has_queued: bool
    has_running: bool


def claim_of(owner: str, node: str) -> str:
    """Return a name for the claims of one runner. No two runners have the same.

    Args:
        owner: Begin of the claims of the work, however often it is begun.
        node: The node of the runner, as the table of nodes has it.
    """
    return f"{owner}{node}.{secrets.token_hex(8)}"


def next_claim(runner: str) -> str:
    """Return a name for one claim of a runner. A row that was changed while it was spoken can come back to it.

    Args:
        runner: Of `claim_of`.
    """
    return f"{runner}.{secrets.token_hex(4)}"


def adopt(
    database: Database,
    campaign_id: str,
    number: int,
    owner: str,
    *,
    node: str,
    living: Collection[str],
    max_attempts: int,
) -> None:
    """Take over the rows of a slice whose runners are gone. Two that live have the same slice where a heartbeat stalls.

    Args:
        database: Of serving.
        campaign_id: The campaign.
        number: Of the slice.
        owner: Begin of the claims of this work.
        node: This node.
        living: Claims of the other runners of this node.
        max_attempts: Rows that were claimed so often are dead.
    """
    running = (ROWS.c.campaign_id == campaign_id) & (ROWS.c.slice == number) & (ROWS.c.state == "running")
    dead = {
        "state": "dead",
        "claim": None,
        "finished_at": datetime.now(UTC),
        "error_type": "process_died",
        "error_message": f"the process that spoke it died {max_attempts} times",
    }
    with database.transaction() as connection:
        begins_alike = ROWS.c.claim.startswith(owner, autoescape=True)
        claims = connection.scalars(sa.select(ROWS.c.claim).where(running, begins_alike)).all()
        if not claims:
            return
        # After the claims: a node is in its table before it claims anything
        others = set(connection.scalars(sa.select(NODES.c.id).where(NODES.c.id != node)))
        begins = (*living, *(f"{owner}{other}." for other in others))
        left = running & ROWS.c.claim.in_([claim for claim in claims if not claim.startswith(begins)])
        connection.execute(sa.update(ROWS).where(left, ROWS.c.attempts >= max_attempts).values(dead))
        connection.execute(sa.update(ROWS).where(left).values(state="queued", claim=None))


def claim_next(database: Database, campaign_id: str, number: int, claim: str) -> tuple[Campaign, ClaimedRow] | None:
    """Claim the next row of a slice. Return it and its campaign as it is now, which another submission can change.

    There is None where no row waits, or where the campaign is not running.

    Args:
        database: Of serving.
        campaign_id: The campaign.
        number: Of the slice.
        claim: Of `next_claim`. A call whose answer was lost is repeated with the same one, and has its row already.
    """
    with database.transaction() as connection:
        in_slice = (ROWS.c.campaign_id == campaign_id) & (ROWS.c.slice == number)
        if claimed := _read_row(connection, in_slice & (ROWS.c.state == "running") & (ROWS.c.claim == claim)):
            return read_campaign(connection, campaign_id), claimed
        if not _is_running(connection, campaign_id):
            return None
        waiting = (
            sa.select(ROWS.c.recipient_id)
            .where(in_slice, ROWS.c.state == "queued")
            .order_by(ROWS.c.place)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        recipient_id = connection.scalar(waiting)
        if recipient_id is None:
            return None
        this = (ROWS.c.campaign_id == campaign_id) & (ROWS.c.recipient_id == recipient_id)
        values = {"state": "running", "claim": claim, "attempts": ROWS.c.attempts + 1, "finished_at": None}
        connection.execute(sa.update(ROWS).where(this).values(values))
        started = CAMPAIGNS.c.started_at
        now = sa.func.coalesce(started, sa.literal(datetime.now(UTC), started.type))
        connection.execute(
            sa.update(CAMPAIGNS).where(CAMPAIGNS.c.id == campaign_id, started.is_(None)).values(started_at=now)
        )
        # After the row: a submission changes the campaign before it changes rows
        row = _read_row(connection, this)
        assert row is not None
        return read_campaign(connection, campaign_id), row


def claimed_again(database: Database, row: ClaimedRow) -> ClaimedRow | None:
    """Return a claimed row with what an earlier try has published. None where the claim is not the newest."""
    with database.transaction() as connection:
        return _read_row(connection, _mine(row))


def is_current(database: Database, row: ClaimedRow) -> bool:
    """Return whether a claim is the newest of its row, and the campaign is neither cancelled nor over.

    A paused campaign lets the rows that are being spoken come to their end.
    """
    with database.transaction() as connection:
        return connection.scalar(sa.select(ROWS.c.place).where(_mine(row))) is not None


def give_back(database: Database, campaign_id: str, number: int, claim: str) -> None:
    """Let the rows wait again that are being spoken where a process ends, and do not count their claims.

    Args:
        database: Of serving.
        campaign_id: The campaign.
        number: Of the slice.
        claim: Of `claim_next`.
    """
    mine = (ROWS.c.campaign_id == campaign_id) & (ROWS.c.slice == number) & (ROWS.c.state == "running")
    mine &= ROWS.c.claim.startswith(claim, autoescape=True)
    waits = {"state": "queued", "claim": None, "attempts": ROWS.c.attempts - 1}
    with database.transaction() as connection:
        connection.execute(sa.update(ROWS).where(mine).values(waits))


def publish(database: Database, row: ClaimedRow, asset: Asset) -> bool:
    """Write what a row is about to have in the store. Return False where the claim is not the newest.

    Args:
        database: Of serving.
        row: The claim.
        asset: What was spoken.
    """
    with database.transaction() as connection:
        return bool(connection.execute(sa.update(ROWS).where(_mine(row)).values(asset.columns())).rowcount)


def finish(
    database: Database,
    row: ClaimedRow,
    state: RowState,
    *,
    audit: Mapping[str, Any] | None,
    error_type: str | None = None,
    error_message: str | None = None,
) -> bool:
    """End a row, and write its row of the audit. Return False where the claim is not the newest.

    Args:
        database: Of serving.
        row: The claim.
        state: done, needs_review or failed.
        audit: The row of the audit. It is written by the newest claim only, so once.
        error_type: Why it is not done.
        error_message: The same in a sentence.
    """
    values = {
        "state": state,
        "claim": None,
        "finished_at": datetime.now(UTC),
        "error_type": error_type,
        "error_message": error_message,
        "deleted_at": None,  # its former file can have been deleted meanwhile
    }
    if state != "failed":  # its former files stay until there is a new one
        values["former_keys"] = None
    insert = sqlite.insert if database.is_sqlite else postgresql.insert
    with database.transaction() as connection:
        if not connection.execute(sa.update(ROWS).where(_mine(row)).values(values)).rowcount:
            return False
        if audit is not None:
            connection.execute(insert(REQUESTS).values(dict(audit)).on_conflict_do_nothing())
        return True


def find_work(database: Database, campaign_id: str, number: int, owner: str) -> SliceWork:
    """Return what is left to do in a slice.

    The work at a slice ends after this said nothing. Whoever sets a campaign running again queues its slices in the
    same transaction, so no row is left without somebody who will come for it.

    Args:
        database: Of serving.
        campaign_id: The campaign.
        number: Of the slice.
        owner: Begin of the claims of this work.
    """
    with database.transaction() as connection:
        goes_on = _is_running(connection, campaign_id)
        # Both with one statement, so that a row that is claimed meanwhile is in one of them
        found = connection.execute(
            sa.select(ROWS.c.state, ROWS.c.claim).where(
                ROWS.c.campaign_id == campaign_id, ROWS.c.slice == number, ROWS.c.state.in_(OPEN_STATES)
            )
        ).all()
    return SliceWork(
        has_queued=goes_on and any(row.state == "queued" for row in found),
        has_running=any(row.state == "running" and row.claim.startswith(owner) for row in found),
    )


def _read_row(connection: sa.Connection, this: sa.ColumnElement[bool]) -> ClaimedRow | None:
    row = connection.execute(sa.select(ROWS).where(this)).mappings().first()
    if row is None:
        return None
    return ClaimedRow(
        campaign_id=row["campaign_id"],
        recipient_id=row["recipient_id"],
        place=row["place"],
        claim=row["claim"],
        attempts=row["attempts"],
        row_sha256=row["row_sha256"],
        language=row["language"],
        trace_id=row["trace_id"],
        content=row["content"],
        published={name: row[name] for name in PUBLISHED} if row["object_key"] is not None else {},
        former_keys=tuple((row["former_keys"] or "").split()),
    )


def _is_running(connection: sa.Connection, campaign_id: str) -> bool:
    state = sa.select(CAMPAIGNS.c.state).where(CAMPAIGNS.c.id == campaign_id)
    return connection.scalar(state) == "running"


def _mine(row: ClaimedRow) -> sa.ColumnElement[bool]:
    this = (ROWS.c.campaign_id == row.campaign_id) & (ROWS.c.recipient_id == row.recipient_id)
    return this & (ROWS.c.claim == row.claim) & (ROWS.c.state == "running")

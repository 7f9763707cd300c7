"""Figures of a campaign, its failures by reason, and its worst examples. A few queries, whatever its size."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from campaigns.execution.plan import ROW_STATES, Campaign
from campaigns.tables import ROWS
from serving.database import Database

MAX_REASONS = 20
MAX_EXAMPLES = 8


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why rows are not done.

    Attributes:
        status: Their state.
        reason: Type of the error.
        n_rows: How many.
        example: Message of one of them.
    """

    status: str
    reason: str
    n_rows: int
    example: str


@dataclass(frozen=True, kw_only=True)
class Example:
    """A row worth hearing.

    Attributes:
        recipient_id: Its recipient.
        status: Its state.
        why: What is wrong with it, or how it was heard.
        object_key: Of its file, None where it has none.
        seconds: Of audio, None where it has none.
        trace_id: Its trace.
        wer: As the judge heard it, None where it was not judged.
    """

    recipient_id: str
    status: str
    why: str
    object_key: str | None
    seconds: float | None
    trace_id: str
    wer: float | None


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What became of a campaign.

    Attributes:
        campaign: The campaign.
        rows: Number of rows by state, all states.
        rejects: Number of rows that the check refused, by reason.
        seconds: Of audio that was delivered.
        expected_seconds: Of audio of the whole campaign, None where it is not known.
        reused_seconds: Of audio that came from the cache of sentences.
        gpt_seconds: Of work.
        sovits_seconds: Of work.
        n_bytes: Of delivered files.
        n_judged: Rows that a judge heard.
        mean_wer: Of those, None where there are none.
        n_deleted: Delivered files that were deleted again.
        elapsed_seconds: From the first claim to the end or to now, None before.
        last_delivered: Recipient, place and time of the row that was delivered last, None where none was.
        failures: Why rows are not done, the most frequent first.
        worst: Rows that need a review or were heard worst.
        samples: Some delivered rows.
    """

    campaign: Campaign
    rows: dict[str, int]
    rejects: dict[str, int]
    seconds: float
    expected_seconds: float | None
    reused_seconds: float
    gpt_seconds: float
    sovits_seconds: float
    n_bytes: int
    n_judged: int
    mean_wer: float | None
    n_deleted: int
    elapsed_seconds: float | None
    last_delivered: dict[str, Any] | None
    failures: tuple[Failure, ...]
    worst: tuple[Example, ...]
    samples: tuple[Example, ...]

    @property
    def n_rows(self) -> int:
        """Return the number of rows."""
        return sum(self.rows.values())

    @property
    def progress(self) -> float:
        """Return the share of the rows that have ended, 0 to 1."""
        n_open = self.rows["queued"] + self.rows["running"]
        return 1 - n_open / self.n_rows if self.n_rows else 1.0

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON. The examples are without the keys of their files."""
        one = self.campaign
        plain = {name: value for name, value in vars(self).items() if name not in ("campaign", "failures")}
        examples = {
            name: [{k: v for k, v in asdict(each).items() if k != "object_key"} for each in getattr(self, name)]
            for name in ("worst", "samples")
        }
        moments = {
            name: moment.isoformat() if (moment := getattr(one, name)) else None
            for name in ("created_at", "started_at", "finished_at", "content_deleted_at")
        }
        head = {
            "id": one.id,
            "name": one.name,
            "object": "campaign",
            "status": one.state,
            "voice": one.plan.voice,
            "version": one.version,
            "candidate_id": one.candidate_id,
            "preset": one.plan.preset,
            "purpose": one.plan.purpose,
            "response_format": one.plan.format,
            "error": {"type": one.error_type, "message": one.error_message} if one.error_type else None,
        }
        failures = [asdict(failure) for failure in self.failures]
        return head | moments | plain | examples | {"failures": failures, "progress": self.progress}


def summarize(database: Database, campaign: Campaign) -> Summary:
    """Return what became of a campaign so far.

    Args:
        database: Of serving.
        campaign: The campaign.
    """
    mine = ROWS.c.campaign_id == campaign.id
    done = mine & (ROWS.c.state == "done")
    with database.transaction() as connection:
        counted = connection.execute(sa.select(ROWS.c.state, sa.func.count()).where(mine).group_by(ROWS.c.state))
        counts = dict(counted.tuples().all())
        totals = connection.execute(sa.select(*_totals()).where(mine)).mappings().one()
        newest = sa.select(ROWS.c.recipient_id, ROWS.c.place, ROWS.c.finished_at).where(done)
        last = connection.execute(newest.order_by(ROWS.c.finished_at.desc()).limit(1)).mappings().first()
        failures = _failures(connection, mine)
        bad = mine & (ROWS.c.state.in_(("needs_review", "failed", "dead")) | (ROWS.c.wer > 0))
        order = (sa.case((ROWS.c.state == "done", 1), else_=0), sa.func.coalesce(ROWS.c.wer, 9).desc(), ROWS.c.place)
        worst = _examples(connection, bad, order)
        samples = _examples(connection, done & ROWS.c.deleted_at.is_(None), (ROWS.c.row_sha256,))
    end = campaign.finished_at or datetime.now(UTC)
    delivered = {**last, "finished_at": last["finished_at"].isoformat()} if last else None
    return Summary(
        campaign=campaign,
        rows={state: counts.get(state, 0) for state in ROW_STATES},
        rejects=dict(campaign.rejects),
        expected_seconds=campaign.expected_seconds,
        elapsed_seconds=(end - campaign.started_at).total_seconds() if campaign.started_at else None,
        last_delivered=delivered,
        failures=failures,
        worst=worst,
        samples=samples,
        **totals,
    )


def _totals() -> list[sa.ColumnElement[Any]]:
    """Return the sums over the rows of a campaign, by the names of Summary."""
    done = ROWS.c.state == "done"

    def total(column: sa.Column[Any], *, only_done: bool = False) -> sa.ColumnElement[Any]:
        value = sa.case((done, column), else_=0) if only_done else column
        return sa.func.coalesce(sa.func.sum(value), 0)

    return [
        total(ROWS.c.seconds, only_done=True).label("seconds"),
        total(ROWS.c.n_bytes, only_done=True).label("n_bytes"),
        total(ROWS.c.reused_seconds).label("reused_seconds"),
        total(ROWS.c.gpt_seconds).label("gpt_seconds"),
        total(ROWS.c.sovits_seconds).label("sovits_seconds"),
        sa.func.count(ROWS.c.wer).label("n_judged"),
        sa.func.avg(ROWS.c.wer).label("mean_wer"),
        sa.func.count(ROWS.c.deleted_at).label("n_deleted"),
    ]


def _failures(connection: sa.Connection, mine: sa.ColumnElement[bool]) -> tuple[Failure, ...]:
    reason = sa.func.coalesce(ROWS.c.error_type, "stopped")
    chosen = (
        sa.select(ROWS.c.state, reason, sa.func.count().label("n"), sa.func.min(ROWS.c.error_message))
        .where(mine, ROWS.c.state.not_in(("queued", "running", "done")))
        .group_by(ROWS.c.state, reason)
        .order_by(sa.text("n DESC"))
        .limit(MAX_REASONS)
    )
    found = connection.execute(chosen).tuples()
    return tuple(
        Failure(status=state, reason=kind, n_rows=n_rows, example=example or "a person cancelled the campaign")
        for state, kind, n_rows, example in found
    )


def _examples(
    connection: sa.Connection, where: sa.ColumnElement[bool], order: tuple[sa.ColumnElement[Any], ...]
) -> tuple[Example, ...]:
    chosen = sa.select(ROWS).where(where).order_by(*order).limit(MAX_EXAMPLES)
    return tuple(
        Example(
            recipient_id=row["recipient_id"],
            status=row["state"],
            why=row["error_message"] or ("" if row["wer"] is None else f"word error rate {row['wer']:.2f}"),
            object_key=row["object_key"] if row["deleted_at"] is None else None,
            seconds=row["seconds"],
            trace_id=row["trace_id"],
            wer=row["wer"],
        )
        for row in connection.execute(chosen).mappings()
    )

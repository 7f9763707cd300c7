"""The tables of campaigns. campaigns/migrations makes them in the database of serving, and a test holds both equal.

Texts and variables are personal data. They are in `campaign_rows.content` alone, encrypted, and are deleted after their
time. Hashes stay, so that a row can be told from a changed one.
"""

from __future__ import annotations

import sqlalchemy as sa

from serving.tables import UtcTime

METADATA = sa.MetaData()

CAMPAIGNS = sa.Table(
    "campaigns",
    METADATA,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("name", sa.String(100), nullable=False),  # as the user calls it
    sa.Column("owner", sa.String(100), nullable=False),  # name of the caller, as the audit shows it
    sa.Column("plan", sa.JSON, nullable=False),  # how it is spoken and delivered, without any personal data
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("run", sa.Integer, nullable=False),  # counts submissions, resumptions and retries
    sa.Column("stopped_run", sa.Integer, nullable=False, server_default="0"),  # submissions up to it were stopped
    sa.Column("version", sa.Integer, nullable=False),  # frozen at the start
    sa.Column("candidate_id", sa.String(100), nullable=False),
    sa.Column("error_type", sa.String(64)),  # why it stopped before its end
    sa.Column("error_message", sa.Text),
    sa.Column("rejects", sa.JSON, nullable=False),  # number of rows that the check refused, by reason
    sa.Column("expected_seconds", sa.Float),  # of audio, as the check found
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("submitted_at", UtcTime, nullable=False),  # when it was submitted last
    sa.Column("started_at", UtcTime),
    sa.Column("finished_at", UtcTime),
    # A person wants what was delivered deleted, until somebody starts the campaign again
    sa.Column("delete_delivered", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("content_deleted_at", UtcTime),  # when texts and variables were deleted
    sa.UniqueConstraint("owner", "name", name="campaigns_name"),
)

ROWS = sa.Table(
    "campaign_rows",
    METADATA,
    sa.Column("campaign_id", sa.String(40), sa.ForeignKey("campaigns.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("recipient_id", sa.String(200), primary_key=True),
    sa.Column("place", sa.Integer, nullable=False),  # in the order of the recipients, from 0
    sa.Column("slice", sa.Integer, nullable=False),  # rows of a slice are worked on by one node
    sa.Column("run", sa.Integer, nullable=False),  # the newest submission that had the row
    sa.Column("row_sha256", sa.String(64), nullable=False),  # of everything that decides the audio
    sa.Column("text_sha256", sa.String(64), nullable=False),
    sa.Column("opt_in_sha256", sa.String(64)),
    sa.Column("content", sa.LargeBinary),  # encrypted, null once it was deleted
    sa.Column("language", sa.String(20)),
    sa.Column("trace_id", sa.String(32), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),  # counts the claims
    sa.Column("claim", sa.String(120)),  # who works on it. Only the newest claim may write a result
    sa.Column("version", sa.Integer),  # that spoke it
    sa.Column("candidate_id", sa.String(100)),
    sa.Column("object_key", sa.String(300)),  # in the store. Written before the file is put there
    sa.Column("sidecar_key", sa.String(300)),  # of the mark beside it, null where the mark is inside
    sa.Column("is_marked", sa.Boolean),  # whether it says that an AI made it
    sa.Column("former_keys", sa.Text),  # of files that it had before, between spaces. Deleted when the new one is there
    sa.Column("sha256", sa.String(64)),
    sa.Column("n_bytes", sa.BigInteger),
    sa.Column("seconds", sa.Float),  # of audio
    sa.Column("reused_seconds", sa.Float),  # of audio that came from the cache of sentences
    sa.Column("gpt_seconds", sa.Float),  # of work
    sa.Column("sovits_seconds", sa.Float),
    sa.Column("sentences", sa.JSON),  # outcome and retries of each, without texts
    sa.Column("wer", sa.Float),  # null where it was not judged
    sa.Column("similarity", sa.Float),
    sa.Column("loudness_lufs", sa.Float),
    sa.Column("error_type", sa.String(64)),
    sa.Column("error_message", sa.Text),
    sa.Column("finished_at", UtcTime),
    sa.Column("deleted_at", UtcTime),  # when what was delivered was deleted
    sa.Index("campaign_rows_state", "campaign_id", "state", "place"),
    sa.Index("campaign_rows_slice", "campaign_id", "slice", "state"),
    sa.Index("campaign_rows_object", "object_key"),
    sa.Index("campaign_rows_sidecar", "sidecar_key"),
)

WEBHOOKS = sa.Table(
    "campaign_webhooks",
    METADATA,
    sa.Column("id", sa.String(40), primary_key=True),  # the receiver can tell a message from its repetition by it
    sa.Column("campaign_id", sa.String(40), sa.ForeignKey("campaigns.id", ondelete="CASCADE"), nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),  # JSON
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_at", UtcTime),  # null once it was delivered or given up
    sa.Column("delivered_at", UtcTime),
    sa.Column("last_error", sa.Text),
    sa.Index("campaign_webhooks_next", "next_at"),
)

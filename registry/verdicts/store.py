"""Signed verdicts, append-only: what `promote` requires and what an audit can show years later.

A verdict is a row of its voice's journal, which holds the candidate's id, the outcome and the sha256 of the verdict. So
a verdict that was removed is found like any other row. The verdict itself is kept beside the journal by its sha256.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from pydantic import ValidationError

from registry.errors import RegistryError
from registry.storage.database import METADATA, append_transaction, missing_tables, open_snapshot, sha256_text
from registry.storage.record import Record, Stamp
from registry.storage.records import append_record, newest_record
from registry.storage.store import Store
from registry.verdicts.verdict import Verdict

VERDICT = "verdict"
PAYLOADS = sa.Table(
    "voxfoundry_verdicts_by_hash",
    METADATA,
    sa.Column("sha256", sa.Text, primary_key=True),
    sa.Column("payload", sa.Text, nullable=False),
)


class VerdictError(RegistryError, RuntimeError):
    """A stored verdict is not what was signed. The message names it."""


@dataclass(frozen=True)
class SignedVerdict:
    """A verdict with the journal row that signs it.

    Attributes:
        verdict: What was decided.
        sha256: Of the payload. The row and the release journal refer to it.
        stamp: The signed part of the row.
    """

    verdict: Verdict
    sha256: str
    stamp: Stamp

    @property
    def utc(self) -> str:
        """Return when the verdict was stored, ISO 8601."""
        return self.stamp.utc


def save_verdict(store: Store, verdict: Verdict) -> SignedVerdict:
    """Sign and append a verdict. Where the newest one of the same candidate is equal, return that one instead.

    Raises:
        JournalError: The voice's journal is broken.
        SigningError: This machine's key may not sign it.
    """
    candidate_id, payload, digest = verdict.candidate.candidate_id, verdict.payload(), verdict.sha256()
    newest = newest_record(store, verdict.voice, VERDICT, candidate_id=candidate_id)
    # 1. Keep the payload first, so that no row is without it
    with append_transaction(store) as connection:
        stored = connection.scalar(sa.select(PAYLOADS.c.payload).where(PAYLOADS.c.sha256 == digest))
        if stored != payload:
            connection.execute(sa.delete(PAYLOADS).where(PAYLOADS.c.sha256 == digest))
            connection.execute(sa.insert(PAYLOADS).values(sha256=digest, payload=payload))
    # 2. Append the row that signs it, unless it is there already
    if newest is None or newest.values["sha256"] != digest:
        content = {"candidate_id": candidate_id, "outcome": verdict.outcome, "sha256": digest}
        newest = append_record(store, verdict.voice, VERDICT, content)
    return SignedVerdict(verdict, digest, newest.stamp)


def newest_verdict(store: Store, voice: str, *, candidate_id: str) -> SignedVerdict | None:
    """Return the newest verdict about a candidate, or None where there is none.

    Args:
        store: Where verdicts are.
        voice: Name of the voice.
        candidate_id: Which candidate.

    Raises:
        VerdictError: The verdict is not what was signed.
        JournalError: The voice's journal is broken.
    """
    record = newest_record(store, voice, VERDICT, candidate_id=candidate_id)
    return None if record is None else verdict_of(store, record)


def verdict_by_sha256(store: Store, voice: str, digest: str) -> SignedVerdict | None:
    """Return the verdict that a journal row refers to, or None where there is none.

    Args:
        store: Where verdicts are.
        voice: Name of the voice.
        digest: The verdict's sha256.

    Raises:
        VerdictError: The verdict is not what was signed.
        JournalError: The voice's journal is broken.
    """
    record = newest_record(store, voice, VERDICT, sha256=digest)
    return None if record is None else verdict_of(store, record)


def verdict_of(store: Store, record: Record) -> SignedVerdict:
    """Return the verdict of a row after checking its hash, its form and its subject.

    Args:
        store: Where verdicts are.
        record: A genuine row of the kind `verdict`.

    Raises:
        VerdictError: The verdict is gone or is not what was signed.
    """
    voice, content = record.stamp.voice, record.values
    name = f"the verdict in row {record.number} about {voice}"
    remedy = f"run the gate on that version again (`vox gate {voice} --candidate N`)"
    # 1. The payload is the one that was signed
    payload = _payload(store, content["sha256"])
    if payload is None:
        raise VerdictError(f"{name} is gone from the database; {remedy}")
    if sha256_text(payload) != content["sha256"]:
        raise VerdictError(f"{name} was changed after it was signed; {remedy}")
    # 2. It has the form of this version's verdicts
    try:
        verdict = Verdict.model_validate_json(payload)
    except ValidationError as error:
        raise VerdictError(f"{name} was written by another version of Voxfoundry; {remedy}") from error
    # 3. It says what the row says
    if (verdict.voice, verdict.candidate.candidate_id, verdict.outcome) != (
        voice,
        content["candidate_id"],
        content["outcome"],
    ):
        raise VerdictError(f"{name} is filed under another voice, candidate or outcome than it is about; {remedy}")
    return SignedVerdict(verdict, content["sha256"], record.stamp)


def _payload(store: Store, digest: str) -> str | None:
    with open_snapshot(store) as connection:
        if connection is None or missing_tables(connection, PAYLOADS):
            return None
        found = connection.scalar(sa.select(PAYLOADS.c.payload).where(PAYLOADS.c.sha256 == digest))
        return None if found is None else str(found)

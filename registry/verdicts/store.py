"""Signed verdicts in the database, append-only: what `promote` asks for and an audit can show years later."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from pydantic import ValidationError

from registry.storage.database import METADATA, append_transaction, rows_of, sha256_text
from registry.storage.signing import Signature, sign, trusted_keys, why_not_valid
from registry.storage.store import Store
from registry.verdicts.verdict import Verdict

VERDICTS = sa.Table(
    "voxfoundry_verdicts",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("utc", sa.Text, nullable=False),
    sa.Column("voice", sa.Text, nullable=False),
    sa.Column("candidate_id", sa.Text, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("public_key", sa.Text, nullable=False),
    sa.Column("signature", sa.Text, nullable=False),
)


class VerdictError(RuntimeError):
    """A stored verdict is not what was signed. The message names it."""


@dataclass(frozen=True)
class SignedVerdict:
    verdict: Verdict
    sha256: str  # of the payload; what the journal refers to
    utc: str  # when it was stored
    public_key: str
    signature: str


def save_verdict(store: Store, verdict: Verdict) -> SignedVerdict:
    """Sign and append a verdict; the newest one of the same candidate is returned instead if it says the same."""
    newest = newest_verdict(store, verdict.voice, verdict.candidate.candidate_id)
    payload, digest = verdict.payload(), verdict.sha256()
    if newest is not None and newest.sha256 == digest:
        return newest
    signature = sign(store.root, _message(digest))
    utc = datetime.now(UTC).isoformat(timespec="milliseconds")
    with append_transaction(store) as connection:
        number = (connection.scalar(sa.select(sa.func.max(VERDICTS.c.number))) or 0) + 1
        connection.execute(
            sa.insert(VERDICTS).values(
                number=number,
                utc=utc,
                voice=verdict.voice,
                candidate_id=verdict.candidate.candidate_id,
                sha256=digest,
                payload=payload,
                **asdict(signature),
            )
        )
    return SignedVerdict(verdict, digest, utc, signature.public_key, signature.signature)


def newest_verdict(store: Store, voice: str, candidate_id: str) -> SignedVerdict | None:
    """The newest verdict about a candidate, its signature checked. Raises VerdictError if it is not genuine."""
    found = [row for row in rows_of(store, VERDICTS) if (row["voice"], row["candidate_id"]) == (voice, candidate_id)]
    return _checked(found[-1], trusted_keys(store.root)) if found else None


def verdict_by_sha256(store: Store, digest: str) -> SignedVerdict | None:
    """The verdict that a journal row refers to, its signature checked. Raises VerdictError if it is not genuine."""
    found = [row for row in rows_of(store, VERDICTS) if row["sha256"] == digest]
    return _checked(found[-1], trusted_keys(store.root)) if found else None


def _checked(row: dict, trusted: frozenset[str]) -> SignedVerdict:
    where = f"the stored verdict {row['number']} about {row['voice']}"
    again = "; judge the candidate again (`vox gate`)"
    if sha256_text(row["payload"]) != row["sha256"]:
        raise VerdictError(f"{where} was changed after it was signed{again}")
    if reason := why_not_valid(_message(row["sha256"]), Signature(row["public_key"], row["signature"]), trusted):
        raise VerdictError(f"{where} does not count: {reason}{again}")
    try:
        verdict = Verdict.model_validate_json(row["payload"])
    except ValidationError as error:
        raise VerdictError(f"{where} was written by another version of Voxfoundry{again}") from error
    if (verdict.voice, verdict.candidate.candidate_id) != (row["voice"], row["candidate_id"]):
        raise VerdictError(f"{where} is filed under another voice or candidate than it is about{again}")
    return SignedVerdict(verdict, row["sha256"], row["utc"], row["public_key"], row["signature"])


def _message(digest: str) -> str:
    return f"voxfoundry verdict {digest}"

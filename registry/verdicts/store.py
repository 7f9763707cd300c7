"""Signed verdicts in the database, append-only: what `promote` requires and what an audit can show years later."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from pydantic import ValidationError

from registry.errors import RegistryError
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


class VerdictError(RegistryError, RuntimeError):
    """A stored verdict is not what was signed. The message names it."""


@dataclass(frozen=True)
class SignedVerdict:
    """A verdict with its signature, as stored.

    Attributes:
        verdict: What was decided.
        sha256: Of the payload. The journal refers to it.
        utc: When the verdict was stored, ISO 8601.
        public_key: Of the key that signed it.
        signature: Over the sha256.
    """

    verdict: Verdict
    sha256: str
    utc: str
    public_key: str
    signature: str


def save_verdict(store: Store, verdict: Verdict) -> SignedVerdict:
    """Sign and append a verdict. Where the newest one of the same candidate is equal, return that one instead."""
    newest = newest_verdict(store, verdict.voice, candidate_id=verdict.candidate.candidate_id)
    payload, digest = verdict.payload(), verdict.sha256()
    if newest is not None and newest.sha256 == digest:
        return newest
    signature = sign(store.root, _signed_message(digest))
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


def newest_verdict(store: Store, voice: str, *, candidate_id: str) -> SignedVerdict | None:
    """Return the newest verdict about a candidate, its signature checked, or None where there is none.

    Args:
        store: Where verdicts are.
        voice: Name of the voice.
        candidate_id: Which candidate.

    Raises:
        VerdictError: Where the verdict is not genuine.
    """
    found = [row for row in rows_of(store, VERDICTS) if (row["voice"], row["candidate_id"]) == (voice, candidate_id)]
    return _check(found[-1], trusted_keys(store.root)) if found else None


def verdict_by_sha256(store: Store, digest: str) -> SignedVerdict | None:
    """Return the verdict that a journal row refers to, its signature checked, or None where it is gone.

    Raises:
        VerdictError: Where the verdict is not genuine.
    """
    found = [row for row in rows_of(store, VERDICTS) if row["sha256"] == digest]
    return _check(found[-1], trusted_keys(store.root)) if found else None


def _check(row: dict, trusted: frozenset[str]) -> SignedVerdict:
    """Return the verdict of a row after checking hash, signature, schema and subject."""
    name = f"the stored verdict {row['number']} about {row['voice']}"
    remedy = f"run the gate again (`vox gate {row['voice']}`)"
    # 1. The payload is the one that was hashed.
    if sha256_text(row["payload"]) != row["sha256"]:
        raise VerdictError(f"{name} was changed after it was signed; {remedy}")
    # 2. A trusted key signed the hash.
    if reason := why_not_valid(_signed_message(row["sha256"]), Signature(row["public_key"], row["signature"]), trusted):
        raise VerdictError(f"{name} does not count: {reason}; {remedy}")
    # 3. It has the form of this version's verdicts.
    try:
        verdict = Verdict.model_validate_json(row["payload"])
    except ValidationError as error:
        raise VerdictError(f"{name} was written by another version of Voxfoundry; {remedy}") from error
    # 4. It is about the candidate that it is stored under.
    if (verdict.voice, verdict.candidate.candidate_id) != (row["voice"], row["candidate_id"]):
        raise VerdictError(f"{name} is filed under another voice or candidate than it is about; {remedy}")
    return SignedVerdict(verdict, row["sha256"], row["utc"], row["public_key"], row["signature"])


def _signed_message(digest: str) -> str:
    return f"voxfoundry verdict {digest}"

"""One signed row of a voice's journal: what its hash and signature cover, and whether rows are as they were written.

Everything here is computed from the arguments. records.py reads and writes the rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from registry.errors import RegistryError
from registry.keys.ed25519 import Signature
from registry.keys.roles import role_for
from registry.keys.trust import Trust
from registry.storage.database import canonical, sha256_text

FIRST_PREVIOUS = "0" * 64
Kind = Literal["release", "verdict", "registration", "rescore", "consent", "approval", "erasure", "checkpoint"]
WhyNotSigned = Callable[[str, Signature], str | None]  # (text, signature): None if a known key signed it, or the reason


class JournalError(RegistryError, RuntimeError):
    """The journal is not what was written, or somebody else wrote to it meanwhile. The message names the row."""


@dataclass(frozen=True)
class Fault:
    """The first place where a voice's journal is not what was written."""

    voice: str
    row: int
    reason: str

    def __str__(self) -> str:
        return f"the journal of {self.voice} is broken at row {self.row}: {self.reason}"


@dataclass(frozen=True)
class Stamp:
    """What a row's signature covers. It proves by itself, without the database, that the row was written.

    Invariant: `hash` is the sha256 over all fields but the signature, which is over the hash. The key is one of these
    fields, so nobody can sign a row of somebody else again and so take its effect away.
    """

    database_id: str
    voice: str
    number: int  # from 1 without a gap, per voice
    utc: str  # ISO 8601, never before the row before
    kind: str
    content_sha256: str
    prev_hash: str
    hash: str
    public_key: str
    signature: str


@dataclass(frozen=True)
class Record:
    """A row of a voice's journal.

    Attributes:
        stamp: What is signed.
        content: What the row says, canonical JSON as stored.
    """

    stamp: Stamp
    content: str

    @property
    def number(self) -> int:
        """Return the row's number, from 1."""
        return self.stamp.number

    @property
    def kind(self) -> str:
        """Return what kind of row it is."""
        return self.stamp.kind

    @property
    def utc(self) -> str:
        """Return when it was written, ISO 8601."""
        return self.stamp.utc

    @property
    def values(self) -> dict[str, Any]:
        """Return the content as a dictionary."""
        return json.loads(self.content)


@dataclass(frozen=True)
class Records:
    """The rows of a voice's journal, and the first place where they are not what was written.

    Attributes:
        voice: The voice's name.
        database_id: Of the database, None where it holds no journal.
        rows: Oldest first: all, or those from the newest checkpoint on.
        fault: None where the journal is whole as far as it was checked.
        void: Why rows have no effect, by number: their signer might not write them.
    """

    voice: str
    database_id: str | None
    rows: tuple[Record, ...]
    fault: Fault | None
    void: Mapping[int, str] = field(default_factory=dict)

    @property
    def valid_rows(self) -> tuple[Record, ...]:
        """Return the rows that have an effect, oldest first."""
        return tuple(record for record in self.rows if record.number not in self.void)

    @property
    def last_number(self) -> int:
        """Return the number of the newest row, 0 where there is none."""
        return self.rows[-1].number if self.rows else 0

    def last_number_of(self, kind: Kind) -> int:
        """Return the number of the newest row of a kind among `rows`, 0 where there is none."""
        return max((row.number for row in self.rows if row.kind == kind), default=0)

    def require_whole(self) -> Records:
        """Return the records themselves.

        Raises:
            JournalError: The journal is broken, so nothing may be decided from it.
        """
        if self.fault is not None:
            raise JournalError(f"{self.fault}; run `vox audit {self.voice}` and restore the database before anything")
        return self


def stamp_hash(
    *,
    database_id: str,
    voice: str,
    number: int,
    utc: str,
    kind: str,
    content_sha256: str,
    prev_hash: str,
    public_key: str,
) -> str:
    """Return the sha256 that is signed. Changing any argument changes it."""
    return sha256_text(
        canonical(
            {
                "database_id": database_id,
                "voice": voice,
                "number": number,
                "utc": utc,
                "kind": kind,
                "content_sha256": content_sha256,
                "prev_hash": prev_hash,
                "public_key": public_key,
            }
        )
    )


def record_message(digest: str) -> str:
    """Return the text that the signature of a row is over."""
    return f"voxfoundry record {digest}"


def why_not_genuine(stamp: Stamp, why_not_signed: WhyNotSigned) -> str | None:
    """Return why a stamp is not what was signed, None where it is."""
    digest = stamp_hash(
        database_id=stamp.database_id,
        voice=stamp.voice,
        number=stamp.number,
        utc=stamp.utc,
        kind=stamp.kind,
        content_sha256=stamp.content_sha256,
        prev_hash=stamp.prev_hash,
        public_key=stamp.public_key,
    )
    if digest != stamp.hash:
        return "its contents were changed after it was written"
    return why_not_signed(record_message(stamp.hash), Signature(stamp.public_key, stamp.signature))


def why_not_joined(record: Record, later: Stamp) -> str | None:
    """Return why a row is not the one before a genuine later row, None where it is. Needs no signature."""
    stamp = record.stamp
    seen = stamp_hash(
        database_id=stamp.database_id,
        voice=stamp.voice,
        number=stamp.number,
        utc=stamp.utc,
        kind=stamp.kind,
        content_sha256=sha256_text(record.content),
        prev_hash=stamp.prev_hash,
        public_key=stamp.public_key,
    )
    if stamp.number != later.number - 1:
        return f"it is missing, and row {later.number} follows"
    return None if seen == later.prev_hash else "its contents were changed after it was written"


def find_fault(records: Iterable[Record], *, voice: str, first: int, why_not_signed: WhyNotSigned) -> Fault | None:
    """Return the first row that is not as it was written, None where there is none.

    Args:
        records: The voice's rows, oldest first.
        voice: The voice's name.
        first: Number of the first row, 1 or that of a checkpoint.
        why_not_signed: Tells whether a signature counts.
    """
    previous, utc = FIRST_PREVIOUS if first == 1 else None, ""
    for number, record in enumerate(records, start=first):
        stamp = record.stamp
        if stamp.number != number:
            return Fault(voice, number, f"it is missing, and row {stamp.number} follows")
        if reason := why_not_genuine(stamp, why_not_signed):
            return Fault(voice, number, reason)
        if previous is not None and stamp.prev_hash != previous:
            return Fault(voice, number, "it does not continue the row before it")
        if stamp.utc < utc:
            return Fault(voice, number, f"its time {stamp.utc} is before that of the row before it")
        previous, utc = stamp.hash, stamp.utc
    return None


def why_without_effect(record: Record, trust: Trust) -> str | None:
    """Return why nothing follows from a genuine row, None where it counts.

    Its key was revoked before, or does not have the role for such a row. The row stays in the chain, where nobody can
    remove it, and the audit names it.

    Args:
        record: The row.
        trust: Who may sign what, and when.
    """
    try:
        role = role_for(record.kind, record.values)
        return trust.why_not_authorized(record.stamp.public_key, role=role, utc=record.utc)
    except (ValueError, AttributeError, TypeError):
        return f"it is not a {record.kind} as they are written"

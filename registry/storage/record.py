"""One signed row of a voice's journal: what its hash and signature cover, and whether rows are as they were written.

Everything here is computed from the arguments. records.py reads and writes the rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from registry.errors import RegistryError
from registry.storage.database import canonical, sha256_text
from registry.storage.signing import Signature

FIRST_PREVIOUS = "0" * 64
Kind = Literal["release", "verdict", "registration", "rescore", "consent", "approval", "erasure", "checkpoint"]
WhyNotSigned = Callable[[str, Signature, str], str | None]  # (text, signature, utc of the row): None, or the reason


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

    Invariant: `hash` is the sha256 over all fields before it, and the signature is over the hash.
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


def stamp_hash(
    *, database_id: str, voice: str, number: int, utc: str, kind: str, content_sha256: str, prev_hash: str
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
    )
    if digest != stamp.hash:
        return "its contents were changed after it was written"
    return why_not_signed(record_message(stamp.hash), Signature(stamp.public_key, stamp.signature), stamp.utc)


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

"""The end of a voice's journal: it is signed in the database, and anchored outside it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from registry.keys.ed25519 import Signature
from registry.storage.record import Fault, Record, Stamp, WhyNotSigned
from registry.storage.record_tables import HEADS, walk_back


def find_end_fault(
    connection: sa.Connection,
    identity: str,
    voice: str,
    last: Record | None,
    anchor: Stamp | None,
    why_not_signed: WhyNotSigned,
) -> Fault | None:
    """Compare the newest row with the signed head in the database and with the anchor outside it.

    Args:
        connection: To the database.
        identity: The id of the database.
        voice: The voice's name.
        last: The newest row, None where there is none.
        anchor: What the project kept outside the database, read before the rows.
        why_not_signed: Tells whether a signature counts.
    """
    number = last.number if last else 0
    # 1. The head in the database
    head = connection.execute(sa.select(HEADS).where(HEADS.c.voice == voice)).mappings().first()
    if head is None:
        if last is not None:
            return Fault(voice, number, "the signed end of the journal is missing")
    else:
        if reason := _why_not_genuine(identity, head, why_not_signed):
            return Fault(voice, max(number, 1), f"the signed end of the journal is not genuine: {reason}")
        if head["number"] != number:
            missing = f"the signed end of the journal says {head['number']} rows and there are {number}"
            return Fault(voice, number + 1, missing)
        if last is None or head["hash"] != last.stamp.hash:
            return Fault(voice, number, "the signed end of the journal names another last row")
    # 2. The anchor in the project
    return None if anchor is None else find_anchor_fault(connection, identity, last, anchor)


def find_anchor_fault(
    connection: sa.Connection, identity: str | None, last: Record | None, anchor: Stamp, *, where: str = "the project"
) -> Fault | None:
    """Check that the journal contains an anchored row.

    Args:
        connection: To the database.
        identity: The id of the database, None where it has none.
        last: The newest row of the voice, None where there is none.
        anchor: The stamp that was kept outside the database.
        where: Who kept it.
    """
    voice, number = anchor.voice, last.number if last else 0
    if anchor.database_id != identity:
        return Fault(voice, anchor.number, f"{where} anchored it in another database ({anchor.database_id})")
    if last is None or anchor.number > number:
        return Fault(voice, number + 1, f"it is missing: {where} anchored row {anchor.number} on {anchor.utc[:19]}")
    changed = Fault(voice, anchor.number, f"{where} anchored another row of this number")
    if anchor.number == last.number:
        return None if anchor.hash == last.stamp.hash else changed
    for record in walk_back(connection, last.stamp):
        if isinstance(record, Fault):
            return record
        if record.number == anchor.number:
            return None if record.stamp.hash == anchor.hash else changed
    return changed


def time_of_next_row(connection: sa.Connection, identity: str, now: datetime, why_not_signed: WhyNotSigned) -> str:
    """Return the time of the next row of any voice: now, or right after the newest row where a clock was ahead.

    Every row is later than all rows before it, of whichever voice. So a moment that is found in the same way separates
    the rows before a change of the trusted keys from those after it.

    Args:
        connection: To the database.
        identity: The id of the database.
        now: What the clock of this machine says.
        why_not_signed: Tells whether a signature counts.
    """
    utc = now.isoformat(timespec="milliseconds")
    ahead = connection.execute(sa.select(HEADS).where(HEADS.c.utc >= utc)).mappings()
    # Nobody who can write to the database alone may date the rows to come
    genuine = [str(head["utc"]) for head in ahead if _why_not_genuine(identity, head, why_not_signed) is None]
    if not genuine:
        return utc
    return (datetime.fromisoformat(max(genuine)) + timedelta(milliseconds=1)).isoformat(timespec="milliseconds")


def _why_not_genuine(identity: str, head: Mapping[Any, Any], why_not_signed: WhyNotSigned) -> str | None:
    """Return why the signed end of a voice's journal is not genuine, None where it is."""
    stamp = Stamp(identity, head["voice"], head["number"], str(head["utc"]), "", "", "", head["hash"], "", "")
    return why_not_signed(head_message(stamp), Signature(str(head["public_key"]), str(head["signature"])))


def head_message(stamp: Stamp) -> str:
    """Return the text that the signature of a head is over."""
    return f"voxfoundry head {stamp.database_id} {stamp.voice} {stamp.number} {stamp.utc} {stamp.hash}"

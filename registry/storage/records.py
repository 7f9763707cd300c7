"""The journal of a voice: signed rows in one hash chain, the only memory of what was registered, judged and released.

Every row holds the hash of the row before and a signature over its own hash, which covers the database's id, the voice
and the row's number. So an edited, moved, missing or foreign row is found. The number of a voice's newest row is signed
in the table of heads, and the project keeps that row's stamp outside the database (anchor.py), because otherwise the
newest rows could be cut off without a trace. A row is never changed.

Reading one voice never reads another. What is read is checked from the newest checkpoint on, so the cost does not grow
with the number of rows. Rows before the checkpoint are counted. `read_records(..., whole=True)` checks all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from registry.keys.ed25519 import Signature, public_key_of
from registry.keys.roles import role_for
from registry.keys.signing import ensure_own_key, sign
from registry.keys.trust import Trust, load_trust
from registry.storage.anchor import anchor_path, read_anchor, write_anchor
from registry.storage.checkpoints import CHECKPOINT, is_usable
from registry.storage.database import (
    METADATA,
    append_transaction,
    canonical,
    missing_tables,
    open_snapshot,
    sha256_text,
)
from registry.storage.identity import ensure_database_id, read_database_id, signature_check
from registry.storage.record import (
    FIRST_PREVIOUS,
    Fault,
    JournalError,
    Kind,
    Record,
    Records,
    Stamp,
    WhyNotSigned,
    find_fault,
    record_message,
    stamp_hash,
    why_not_genuine,
    why_not_joined,
    why_without_effect,
)
from registry.storage.store import Store

BATCH = 500  # rows that are read at once on the way back
RECORDS = sa.Table(
    "voxfoundry_records",
    METADATA,
    sa.Column("voice", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("utc", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("prev_hash", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Column("public_key", sa.Text, nullable=False),
    sa.Column("signature", sa.Text, nullable=False),
    sa.Index("voxfoundry_records_by_kind", "voice", "kind", "number"),
)
HEADS = sa.Table(
    "voxfoundry_heads",
    METADATA,
    sa.Column("voice", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Column("utc", sa.Text, nullable=False),
    sa.Column("public_key", sa.Text, nullable=False),
    sa.Column("signature", sa.Text, nullable=False),
)


def read_records(store: Store, voice: str, *, whole: bool = False) -> Records:
    """Return the rows of a voice with the first fault, if there is one.

    Args:
        store: Where the journal is.
        voice: The voice's name.
        whole: Read and check every row. By default those from the newest checkpoint on.

    Raises:
        SigningError: A trusted key is unreadable.
        JournalError: The anchor or the database's id is not what was signed.
    """
    with open_snapshot(store) as connection:
        return _read(store, voice, connection, whole=whole)[0]


def newest_record(store: Store, voice: str, kind: Kind, **equal: Any) -> Record | None:
    """Return the newest row of a kind whose content has these values, or None.

    The rows on the way back to it are checked by their hashes, so none can be left out or changed unseen.

    Args:
        store: Where the journal is.
        voice: The voice's name.
        kind: Of the row.
        **equal: Names and values that its content must have.

    Raises:
        JournalError: The journal is broken.
    """
    with open_snapshot(store) as connection:
        return next(_walk_valid(store, voice, connection, kind, equal), None)


def find_records(store: Store, voice: str, kind: Kind, *, since: int, **equal: Any) -> tuple[Record, ...]:
    """Return the rows of a kind after a row, whose content has these values, oldest first. They are checked alike.

    Args:
        store: Where the journal is.
        voice: The voice's name.
        kind: Of the rows.
        since: Number of the row after which they are.
        **equal: Names and values that their content must have.

    Raises:
        JournalError: The journal is broken.
    """
    with open_snapshot(store) as connection:
        found = _walk_valid(store, voice, connection, kind, equal, since)
        return tuple(reversed(list(found)))


def _walk_valid(
    store: Store, voice: str, connection: sa.Connection | None, kind: Kind, equal: Mapping[str, Any], since: int = 0
) -> Iterator[Record]:
    """Yield the rows of a kind after row `since` that have an effect, newest first."""
    records, trust = _read(store, voice, connection)
    records.require_whole()
    for record in reversed(records.rows):
        if record.number <= since:
            return
        if record.number not in records.void and _matches(record, kind, equal):
            yield record
    if connection is None or not records.rows:
        return
    for record in _walk_back(connection, records.rows[0].stamp):
        if isinstance(record, Fault):
            raise JournalError(f"{record}; run `vox audit {voice}` and restore the database before anything")
        if record.number <= since:
            return
        if _matches(record, kind, equal) and why_without_effect(record, trust) is None:
            fault = find_fault([record], voice=voice, first=record.number, why_not_signed=trust.why_not_authentic)
            if fault is not None:
                raise JournalError(f"{fault}; run `vox audit {voice}` and restore the database before anything")
            yield record


def find_signed(store: Store, voice: str, kind: Kind, **equal: Any) -> Record | None:
    """Return the newest row of a kind whose content has these values and whose signer might write it, or None.

    Only that row is checked, so the cost does not grow with the journal. It proves that somebody who might do so
    wrote this row into the journal of this voice. Whether the journal is whole is the caller's question.

    Args:
        store: Where the journal is.
        voice: The voice's name.
        kind: Of the row.
        **equal: Names and values that its content must have.
    """
    with open_snapshot(store) as connection:
        trust = load_trust(store.root)
        identity = None if connection is None else read_database_id(connection, trust.why_not_authentic)
        if connection is None or identity is None or missing_tables(connection, RECORDS):
            return None
        is_wanted = (RECORDS.c.voice == voice) & (RECORDS.c.kind == kind)
        for row in connection.execute(sa.select(RECORDS).where(is_wanted).order_by(RECORDS.c.number.desc())).mappings():
            record = _as_record(identity, row)
            if why_not_genuine(record.stamp, trust.why_not_authentic) is not None:
                continue
            if _matches(record, kind, equal) and why_without_effect(record, trust) is None:
                return record
    return None


def append_record(
    store: Store, voice: str, kind: Kind, content: Mapping[str, Any], *, last_seen: int | None = None
) -> Record:
    """Append a row to a voice's journal, keep its stamp as the voice's anchor, and return it.

    Args:
        store: Whose journal it is.
        voice: The voice's name.
        kind: Of the row.
        content: What the row says. It must be JSON.
        last_seen: Number of the voice's newest row of this kind that the caller's decision rests on, 0 for none. None
            where the row is true whatever came before.

    Raises:
        JournalError: Another row of the kind was written since, or the end of the journal is not what was written.
        AnchorError: The row is written but the anchor is not.
        SigningError: The row cannot be signed by a trusted key.
    """
    anchor_path(store.root, voice)  # refuses what cannot be a name before anything is written
    with append_transaction(store) as connection:
        why_not_signed = signature_check(store.root)
        # 1. Refuse to build on an end that was cut off, exchanged or comes from an older copy of the database
        database_id = ensure_database_id(store.root, connection, why_not_signed)
        last = _last(connection, database_id, voice)
        if fault := _find_end_fault(store, connection, database_id, voice, last, why_not_signed):
            raise JournalError(f"{fault}; run `vox audit {voice}` and restore the database before anything")
        if last_seen is not None:
            _refuse_stale(connection, voice, kind, last_seen)
        # 2. Link the new row to the last one, and sign it
        text, now = canonical(content), datetime.now(UTC).isoformat(timespec="milliseconds")
        fields = {
            "database_id": database_id,
            "voice": voice,
            "number": last.number + 1 if last else 1,
            "utc": max(now, last.stamp.utc) if last else now,  # a clock that was set back does not set the journal back
            "kind": kind,
            "content_sha256": sha256_text(text),
            "prev_hash": last.stamp.hash if last else FIRST_PREVIOUS,
            "public_key": public_key_of(ensure_own_key(store.root)),
        }
        digest = stamp_hash(**fields)
        signature = sign(store.root, record_message(digest), role=role_for(kind, content))
        record = Record(Stamp(**fields, hash=digest, signature=signature.signature), text)
        connection.execute(sa.insert(RECORDS).values(**_as_row(record)))
        # 3. Sign the new end; the transaction makes it appear together with the row
        head_signature = sign(store.root, _head_message(record.stamp))
        head = {"number": record.number, "hash": digest, "utc": record.utc, **asdict(head_signature)}
        connection.execute(sa.delete(HEADS).where(HEADS.c.voice == voice))
        connection.execute(sa.insert(HEADS).values(voice=voice, **head))
    # 4. Anchor it, after the commit: an anchor without its row would stop every later release
    write_anchor(store.root, record.stamp)
    return record


def _read(store: Store, voice: str, connection: sa.Connection | None, *, whole: bool = False) -> tuple[Records, Trust]:
    trust = load_trust(store.root)
    why_not_signed = trust.why_not_authentic
    identity = None if connection is None else read_database_id(connection, why_not_signed)
    if connection is None or identity is None:
        anchor = read_anchor(store.root, voice, why_not_signed)
        missing = "it is missing: the project anchored it, and the database holds no journal"
        return Records(voice, None, (), Fault(voice, anchor.number, missing) if anchor else None), trust
    if missing := missing_tables(connection, RECORDS, HEADS):
        fault = Fault(voice, 1, f"the table {' and '.join(missing)} is missing in the database")
        return Records(voice, identity, (), fault), trust
    first = 1 if whole else _first_to_read(connection, identity, voice, trust)
    is_wanted = (RECORDS.c.voice == voice) & (RECORDS.c.number >= first)
    stored = connection.execute(sa.select(RECORDS).where(is_wanted).order_by(RECORDS.c.number)).mappings()
    rows = tuple(_as_record(identity, row) for row in stored)
    fault = find_fault(rows, voice=voice, first=first, why_not_signed=why_not_signed)
    if fault is None and first > 1:
        fault = _find_count_fault(connection, voice, first)
    if fault is None:
        last = rows[-1] if rows else None
        fault = _find_end_fault(store, connection, identity, voice, last, why_not_signed)
    reasons = {record.number: why_without_effect(record, trust) for record in rows} if fault is None else {}
    void = {number: reason for number, reason in reasons.items() if reason is not None}
    return Records(voice, identity, rows, fault, void), trust


def _first_to_read(connection: sa.Connection, identity: str, voice: str, trust: Trust) -> int:
    """Return the number of the newest usable checkpoint, 1 where there is none."""
    is_checkpoint = (RECORDS.c.voice == voice) & (RECORDS.c.kind == CHECKPOINT)
    newest_first = sa.select(RECORDS).where(is_checkpoint).order_by(RECORDS.c.number.desc())
    found = (_as_record(identity, row) for row in connection.execute(newest_first).mappings())
    return next((record.number for record in found if is_usable(record, trust)), 1)


def _find_count_fault(connection: sa.Connection, voice: str, first: int) -> Fault | None:
    is_before = (RECORDS.c.voice == voice) & (RECORDS.c.number < first)
    n_before = connection.scalar(sa.select(sa.func.count()).select_from(RECORDS).where(is_before))
    if n_before == first - 1:
        return None
    return Fault(voice, first, f"{n_before} rows are before this checkpoint and {first - 1} were written")


def _find_end_fault(
    store: Store,
    connection: sa.Connection,
    identity: str,
    voice: str,
    last: Record | None,
    why_not_signed: WhyNotSigned,
) -> Fault | None:
    """Compare the newest row with the signed head in the database and with the anchor outside it."""
    number = last.number if last else 0
    # 1. The head in the database
    head = connection.execute(sa.select(HEADS).where(HEADS.c.voice == voice)).mappings().first()
    if head is None:
        if last is not None:
            return Fault(voice, number, "the signed end of the journal is missing")
    else:
        stamp = Stamp(identity, voice, head["number"], str(head["utc"]), "", "", "", head["hash"], "", "")
        signature = Signature(str(head["public_key"]), str(head["signature"]))
        if reason := why_not_signed(_head_message(stamp), signature):
            return Fault(voice, max(number, 1), f"the signed end of the journal is not genuine: {reason}")
        if head["number"] != number:
            missing = f"the signed end of the journal says {head['number']} rows and there are {number}"
            return Fault(voice, number + 1, missing)
        if last is None or head["hash"] != last.stamp.hash:
            return Fault(voice, number, "the signed end of the journal names another last row")
    # 2. The anchor in the project
    anchor = read_anchor(store.root, voice, why_not_signed)
    if anchor is None:
        return None
    if anchor.database_id != identity:
        return Fault(voice, anchor.number, f"the project anchored it in another database ({anchor.database_id})")
    if last is None or anchor.number > number:
        return Fault(voice, number + 1, f"it is missing: the project anchored row {anchor.number} on {anchor.utc[:19]}")
    return _find_anchored_fault(connection, anchor, last)


def _find_anchored_fault(connection: sa.Connection, anchor: Stamp, last: Record) -> Fault | None:
    changed = Fault(anchor.voice, anchor.number, "the project anchored another row of this number")
    if anchor.number == last.number:
        return None if anchor.hash == last.stamp.hash else changed
    for record in _walk_back(connection, last.stamp):
        if isinstance(record, Fault):
            return record
        if record.number == anchor.number:
            return None if record.stamp.hash == anchor.hash else changed
    return changed


def _walk_back(connection: sa.Connection, later: Stamp) -> Iterator[Record | Fault]:
    """Yield the rows before a genuine row, newest first, each proven by the hash that the row after it holds.

    A row that is not proven is yielded as a Fault, and nothing after it.
    """
    while later.number > 1:
        lowest = max(1, later.number - BATCH)
        is_wanted = (RECORDS.c.voice == later.voice) & RECORDS.c.number.between(lowest, later.number - 1)
        found = connection.execute(sa.select(RECORDS).where(is_wanted).order_by(RECORDS.c.number.desc())).mappings()
        batch = [_as_record(later.database_id, row) for row in found]
        if not batch:
            yield Fault(later.voice, later.number - 1, f"it is missing, and row {later.number} follows")
            return
        for record in batch:
            if reason := why_not_joined(record, later):
                yield Fault(later.voice, later.number - 1, reason)
                return
            yield record
            later = record.stamp


def _last(connection: sa.Connection, identity: str, voice: str) -> Record | None:
    newest = sa.select(RECORDS).where(RECORDS.c.voice == voice).order_by(RECORDS.c.number.desc()).limit(1)
    row = connection.execute(newest).mappings().first()
    return None if row is None else _as_record(identity, row)


def _refuse_stale(connection: sa.Connection, voice: str, kind: Kind, last_seen: int) -> None:
    is_kind = (RECORDS.c.voice == voice) & (RECORDS.c.kind == kind)
    newest = connection.scalar(sa.select(sa.func.max(RECORDS.c.number)).where(is_kind)) or 0
    if newest != last_seen:
        raise JournalError(
            f"{voice}: row {newest} was written after row {last_seen}, on which this {kind} was decided; "
            f"somebody else came first, so look at `vox releases {voice}` and decide again"
        )


def _matches(record: Record, kind: Kind, equal: Mapping[str, Any]) -> bool:
    if record.kind != kind:
        return False
    values = record.values
    return all(values.get(name) == value for name, value in equal.items())


def _as_record(identity: str, row: Mapping[str, Any]) -> Record:
    """Return a stored row. A value that is not text becomes text, so that the hash and not Python refuses it."""
    number = row["number"] if isinstance(row["number"], int) else -1
    text = {name: str(row[name]) for name in row if name != "number"}
    content = text.pop("content")
    return Record(Stamp(database_id=identity, number=number, content_sha256=sha256_text(content), **text), content)


def _as_row(record: Record) -> dict[str, Any]:
    row = asdict(record.stamp) | {"content": record.content}
    return {column.name: row[column.name] for column in RECORDS.columns}


def _head_message(stamp: Stamp) -> str:
    return f"voxfoundry head {stamp.database_id} {stamp.voice} {stamp.number} {stamp.utc} {stamp.hash}"

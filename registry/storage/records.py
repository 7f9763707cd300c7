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
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from registry.keys.ed25519 import public_key_of
from registry.keys.roles import role_for
from registry.keys.signing import ensure_own_key, sign
from registry.keys.trust import Trust, load_trust
from registry.storage.anchor import anchor_path, parse_anchor, read_anchor, write_anchor
from registry.storage.checkpoints import CHECKPOINT, is_usable
from registry.storage.database import (
    append_transaction,
    canonical,
    missing_tables,
    open_snapshot,
    sha256_text,
)
from registry.storage.identity import ensure_database_id, read_database_id, signature_check
from registry.storage.journal_end import find_anchor_fault, find_end_fault, head_message, time_of_next_row
from registry.storage.record import (
    FIRST_PREVIOUS,
    Fault,
    JournalError,
    Kind,
    Record,
    Records,
    Stamp,
    find_fault,
    record_message,
    stamp_hash,
    why_not_genuine,
    why_without_effect,
)
from registry.storage.record_tables import HEADS, RECORDS, as_record, as_row, last_record, walk_back
from registry.storage.remote_anchor import SETTING, newest_published, publish_anchor
from registry.storage.store import Store


@dataclass(frozen=True)
class _Journal:
    """A voice's journal as it was at one moment."""

    voice: str
    connection: sa.Connection | None  # None where there is no database
    identity: str | None  # the database's id, None where there is no journal
    anchor: Stamp | None
    trust: Trust


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
    with _open_journal(store, voice) as journal:
        return _read(journal, whole=whole)


def list_voices(store: Store) -> tuple[str, ...]:
    """Return the voices that have a journal in the database, sorted. Nothing is checked."""
    with open_snapshot(store) as connection:
        if connection is None or missing_tables(connection, RECORDS):
            return ()
        return tuple(sorted(connection.scalars(sa.select(RECORDS.c.voice).distinct())))


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
    with _open_journal(store, voice) as journal:
        return next(_walk_valid(journal, kind, equal), None)


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
    with _open_journal(store, voice) as journal:
        return tuple(reversed(list(_walk_valid(journal, kind, equal, since))))


@contextmanager
def _open_journal(store: Store, voice: str) -> Iterator[_Journal]:
    """Open a voice's journal as it was at one moment.

    The anchor is read before that moment, and the trusted keys after it. The other way round, a row that another
    process writes meanwhile would be anchored and missing, or signed by a key that was not made yet.
    """
    anchor = read_anchor(store.root, voice)
    with open_snapshot(store) as connection:
        if connection is not None:
            missing_tables(connection, RECORDS)  # a snapshot begins with its first query
        trust = load_trust(store.root)
        check = trust.why_not_authentic
        identity = None if connection is None else read_database_id(connection, check)
        yield _Journal(voice, connection, identity, parse_anchor(store.root, voice, anchor, check), trust)


def _walk_valid(journal: _Journal, kind: Kind, equal: Mapping[str, Any], since: int = 0) -> Iterator[Record]:
    """Yield the rows of a kind after row `since` that have an effect, newest first."""
    voice, connection, trust = journal.voice, journal.connection, journal.trust
    records = _read(journal).require_whole()
    for record in reversed(records.rows):
        if record.number <= since:
            return
        if record.number not in records.void and _matches(record, kind, equal):
            yield record
    if connection is None or not records.rows:
        return
    for record in walk_back(connection, records.rows[0].stamp):
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
    with closing(_walk_signed(store, voice, kind, equal)) as found:
        return next(found, None)


def list_signed(store: Store, voice: str, kind: Kind, **equal: Any) -> tuple[Record, ...]:
    """Return the rows of a kind whose content has these values and whose signers might write them, newest first.

    Each is checked as in `find_signed`.

    Args:
        store: Where the journal is.
        voice: The voice's name.
        kind: Of the rows.
        **equal: Names and values that their content must have.
    """
    return tuple(_walk_signed(store, voice, kind, equal))


def _walk_signed(store: Store, voice: str, kind: Kind, equal: Mapping[str, Any]) -> Iterator[Record]:
    with open_snapshot(store) as connection:
        trust = load_trust(store.root)
        identity = None if connection is None else read_database_id(connection, trust.why_not_authentic)
        if connection is None or identity is None or missing_tables(connection, RECORDS):
            return
        is_wanted = (RECORDS.c.voice == voice) & (RECORDS.c.kind == kind)
        for row in connection.execute(sa.select(RECORDS).where(is_wanted).order_by(RECORDS.c.number.desc())).mappings():
            record = as_record(identity, row)
            if why_not_genuine(record.stamp, trust.why_not_authentic) is not None:
                continue
            if _matches(record, kind, equal) and why_without_effect(record, trust) is None:
                yield record


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
        last = last_record(connection, database_id, voice)
        anchor = parse_anchor(store.root, voice, read_anchor(store.root, voice), why_not_signed)
        if fault := find_end_fault(connection, database_id, voice, last, anchor, why_not_signed):
            raise JournalError(f"{fault}; run `vox audit {voice}` and restore the database before anything")
        if last_seen is not None:
            _refuse_stale(connection, voice, kind, last_seen)
        # 2. Link the new row to the last one, and sign it
        text, utc = canonical(content), time_of_next_row(connection, database_id, datetime.now(UTC), why_not_signed)
        fields = {
            "database_id": database_id,
            "voice": voice,
            "number": last.number + 1 if last else 1,
            "utc": utc,
            "kind": kind,
            "content_sha256": sha256_text(text),
            "prev_hash": last.stamp.hash if last else FIRST_PREVIOUS,
            "public_key": public_key_of(ensure_own_key(store.root)),
        }
        digest = stamp_hash(**fields)
        signature = sign(store.root, record_message(digest), role=role_for(kind, content), utc=utc)
        record = Record(Stamp(**fields, hash=digest, signature=signature.signature), text)
        connection.execute(sa.insert(RECORDS).values(**as_row(record)))
        # 3. Sign the new end; the transaction makes it appear together with the row
        head_signature = sign(store.root, head_message(record.stamp), utc=utc)
        head = {"number": record.number, "hash": digest, "utc": record.utc, **asdict(head_signature)}
        connection.execute(sa.delete(HEADS).where(HEADS.c.voice == voice))
        connection.execute(sa.insert(HEADS).values(voice=voice, **head))
    # 4. Anchor it, after the commit: an anchor without its row would stop every later release
    write_anchor(store.root, record.stamp)
    publish_anchor(record.stamp)
    return record


def next_moment(store: Store) -> datetime:
    """Return the moment that the next row will have at least: now, or right after the newest row of any voice.

    A row is ahead of this machine's clock where the clock of the machine that wrote it is. What a key signed stays
    valid if the key ends at this moment, and it can sign no row after it.

    Raises:
        JournalError: The database's id is not what was signed.
    """
    now = datetime.now(UTC)
    with open_snapshot(store) as connection:
        check = load_trust(store.root).why_not_authentic
        identity = None if connection is None else read_database_id(connection, check)
        if connection is None or identity is None or missing_tables(connection, HEADS):
            return now
        utc = time_of_next_row(connection, identity, now, check)
    return max(now, datetime.fromisoformat(utc))


def require_published(store: Store, voice: str) -> None:
    """Check that the journal contains the newest row in the object store of VOXFOUNDRY_ANCHOR, where one is named.

    Raises:
        JournalError: It does not, or the object store cannot be read.
    """
    if (anchor := newest_published(store.root, voice)) is None:
        return
    fault: Fault | None = Fault(voice, anchor.number, "it is missing: it is anchored, and there is no database")
    with _open_journal(store, voice) as journal:
        if (connection := journal.connection) is not None:
            there = journal.identity is not None and not missing_tables(connection, RECORDS)
            last = last_record(connection, str(journal.identity), voice) if there else None
            fault = find_anchor_fault(connection, journal.identity, last, anchor, where=SETTING)
    if fault is not None:
        raise JournalError(f"{fault}; run `vox audit {voice}` and restore the database before anything")


def _read(journal: _Journal, *, whole: bool = False) -> Records:
    voice, connection, identity, anchor = journal.voice, journal.connection, journal.identity, journal.anchor
    trust = journal.trust
    why_not_signed = trust.why_not_authentic
    if connection is None or identity is None:
        missing = "it is missing: the project anchored it, and the database holds no journal"
        return Records(voice, None, (), Fault(voice, anchor.number, missing) if anchor else None)
    if missing := missing_tables(connection, RECORDS, HEADS):
        fault = Fault(voice, 1, f"the table {' and '.join(missing)} is missing in the database")
        return Records(voice, identity, (), fault)
    first = 1 if whole else _first_to_read(connection, identity, voice, trust)
    is_wanted = (RECORDS.c.voice == voice) & (RECORDS.c.number >= first)
    stored = connection.execute(sa.select(RECORDS).where(is_wanted).order_by(RECORDS.c.number)).mappings()
    rows = tuple(as_record(identity, row) for row in stored)
    fault = find_fault(rows, voice=voice, first=first, why_not_signed=why_not_signed)
    if fault is None and first > 1:
        fault = _find_count_fault(connection, voice, first)
    if fault is None:
        last = rows[-1] if rows else None
        fault = find_end_fault(connection, identity, voice, last, anchor, why_not_signed)
    reasons = {record.number: why_without_effect(record, trust) for record in rows} if fault is None else {}
    void = {number: reason for number, reason in reasons.items() if reason is not None}
    return Records(voice, identity, rows, fault, void)


def _first_to_read(connection: sa.Connection, identity: str, voice: str, trust: Trust) -> int:
    """Return the number of the newest usable checkpoint, 1 where there is none."""
    is_checkpoint = (RECORDS.c.voice == voice) & (RECORDS.c.kind == CHECKPOINT)
    newest_first = sa.select(RECORDS).where(is_checkpoint).order_by(RECORDS.c.number.desc()).limit(1)
    below = sa.true()
    while (row := connection.execute(newest_first.where(below)).mappings().first()) is not None:
        record = as_record(identity, row)
        if is_usable(record, trust):
            return record.number
        below = RECORDS.c.number < record.number
    return 1


def _find_count_fault(connection: sa.Connection, voice: str, first: int) -> Fault | None:
    is_before = (RECORDS.c.voice == voice) & (RECORDS.c.number < first)
    n_before = connection.scalar(sa.select(sa.func.count()).select_from(RECORDS).where(is_before))
    if n_before == first - 1:
        return None
    return Fault(voice, first, f"{n_before} rows are before this checkpoint and {first - 1} were written")


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

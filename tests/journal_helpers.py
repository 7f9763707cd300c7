"""Journals of thousands of genuine rows, written in one transaction, because each row by itself waits for the disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace

import sqlalchemy as sa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from registry.keys.signing import ensure_own_key
from registry.keys.trust import load_trust
from registry.releases.journal import CHECKPOINT_EVERY, RELEASE, as_row, read_journal
from registry.releases.state import Entry, Release, next_state
from registry.storage.anchor import write_anchor
from registry.storage.checkpoints import CHECKPOINT, checkpoint_content
from registry.storage.database import append_transaction, canonical, sha256_text
from registry.storage.journal_end import head_message
from registry.storage.record import Record, Stamp, record_message, stamp_hash
from registry.storage.record_tables import HEADS, RECORDS
from registry.storage.record_tables import as_row as as_stored
from registry.storage.store import Store


def write_releases(store: Store, voice: str, releases: Iterable[Release], n_rows: int) -> None:
    """Continue a journal with promotions of released candidates in turn, and with checkpoints, up to `n_rows` rows."""
    journal = read_journal(store, voice, whole=True).require_whole()
    state, last, n_since = journal.state, journal.records.rows[-1].stamp, len(journal.records.rows)
    key = load_pem_private_key(ensure_own_key(store.root).read_bytes(), password=None)
    trust, rows, entries = load_trust(store.root), [], _entries(list(releases))

    def write(kind: str, content: dict) -> Record:
        nonlocal last
        text = canonical(content)
        fields = {name: getattr(last, name) for name in ("database_id", "voice", "utc", "public_key")}
        fields |= {"number": last.number + 1, "kind": kind, "content_sha256": sha256_text(text), "prev_hash": last.hash}
        digest = stamp_hash(**fields)
        last = Stamp(**fields, hash=digest, signature=key.sign(record_message(digest).encode()).hex())
        rows.append(Record(last, text))
        return rows[-1]

    while last.number < n_rows:
        if n_since >= CHECKPOINT_EVERY:
            write(CHECKPOINT, checkpoint_content(state.as_content(), trust))
            n_since = 1
        started = next(entries)
        before = state.champion
        started = replace(started, from_version=before.version, from_candidate_id=before.candidate_id)
        for entry in (started, replace(started, state="done", refers_to=last.number + 1)):
            state = next_state(state, as_row(write(RELEASE, asdict(entry))))
        n_since += 2
    head = {"voice": voice, "number": last.number, "hash": last.hash, "utc": last.utc, "public_key": last.public_key}
    head["signature"] = key.sign(head_message(last).encode()).hex()
    with append_transaction(store) as connection:
        connection.execute(sa.insert(RECORDS), [as_stored(row) for row in rows])
        connection.execute(sa.delete(HEADS).where(HEADS.c.voice == voice))
        connection.execute(sa.insert(HEADS).values(**head))
    write_anchor(store.root, last)


def _entries(releases: list[Release]) -> Iterator[Entry]:
    while True:
        for release in releases:
            yield Entry(
                action="promote",
                state="started",
                from_version=None,
                from_candidate_id=None,
                to_version=release.version,
                candidate_id=release.candidate_id,
                verdict_sha256=None,
                consent_sha256=release.consent_sha256,
                actor="tester",
            )

"""The release rows of a voice's journal, and the checkpoints between them. test_records.py tests the chain."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import pytest

from registry.releases.journal import (
    CHECKPOINT_EVERY,
    append,
    champion,
    history,
    read_journal,
    write_checkpoint_if_due,
)
from registry.releases.state import Entry
from registry.storage.record import JournalError
from registry.storage.store import Store

ENTRY = Entry("promote", "started", None, None, 1, "c1", "v", "consent", "tester")


def release(store: Store, voice: str, version: int) -> None:
    """Append the two rows of a promotion."""
    state = read_journal(store, voice).require_whole().state
    entry = replace(ENTRY, to_version=version, candidate_id=f"c{version}")
    started = append(store, voice, entry, last_seen=state.last_row)
    append(store, voice, replace(entry, state="done", refers_to=started.number), last_seen=started.number)


def test_voice_without_a_database_has_no_champion_and_nothing_is_created(bare_store):
    assert read_journal(bare_store, "anna").rows == () and champion(bare_store, "anna") is None
    assert not bare_store.sqlite_file.exists()


def test_rows_say_what_was_released_per_voice(bare_store):
    release(bare_store, "anna", 1)
    release(bare_store, "bob", 7)
    release(bare_store, "anna", 2)
    assert [(row.number, row.state, row.to_version) for row in history(bare_store, "anna")] == [
        (1, "started", 1),
        (2, "done", 1),
        (3, "started", 2),
        (4, "done", 2),
    ]
    assert champion(bare_store, "anna").candidate_id == "c2" and champion(bare_store, "bob").version == 7


def test_append_after_another_release_is_refused_and_writes_nothing(bare_store):
    release(bare_store, "anna", 1)
    with pytest.raises(JournalError, match="row 2 was written after row 1, on which this release was decided"):
        append(bare_store, "anna", ENTRY, last_seen=1)
    assert len(history(bare_store, "anna")) == 2


def test_broken_journal_has_no_champion_but_its_rows_can_be_read(bare_store):
    release(bare_store, "anna", 1)
    for content in ("[]", "no json", '{"action": 7}'):
        with sqlite3.connect(bare_store.sqlite_file) as connection:
            connection.execute("UPDATE voxfoundry_records SET content = ? WHERE number = 1", [content])
        connection.close()
        with pytest.raises(JournalError, match=r"broken at row 1: .*vox audit anna"):
            champion(bare_store, "anna")
        assert [row.number for row in history(bare_store, "anna")] == [1, 2]


def test_checkpoint_is_written_after_enough_rows_and_reading_begins_there(bare_store):
    for version in range(1, CHECKPOINT_EVERY // 2 + 1):
        release(bare_store, "anna", version)
    journal = read_journal(bare_store, "anna")
    write_checkpoint_if_due(bare_store, "anna", journal)
    assert read_journal(bare_store, "anna").records.last_number == CHECKPOINT_EVERY
    release(bare_store, "anna", 99)
    before = read_journal(bare_store, "anna")
    write_checkpoint_if_due(bare_store, "anna", before)
    after = read_journal(bare_store, "anna")
    assert after.state == before.state and len(after.records.rows) == 1
    release(bare_store, "anna", 100)
    assert champion(bare_store, "anna").version == 100
    assert len(history(bare_store, "anna")) == CHECKPOINT_EVERY + 4

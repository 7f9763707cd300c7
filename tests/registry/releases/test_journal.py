"""The journal: append-only, and either whole or broken at a named row."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import pytest

from registry.releases.journal import (
    Entry,
    JournalError,
    append,
    champion,
    history,
    read_journal,
    release_state,
)
from registry.storage.chain import Fault, row_hash
from registry.storage.database import append_transaction
from registry.storage.signing import SigningError
from registry.storage.store import Store

ENTRY = Entry("anna", "promote", "started", None, 1, "c1", "v1", "tester")


def release(store: Store, voice: str, action: str, before: int | None, after: int | None, state: str = "done") -> None:
    """Append the two rows of one release."""
    rows = history(store, voice)
    entry = Entry(voice, action, "started", before, after, None if after is None else f"c{after}", "v", "tester")
    started = append(store, entry, last_seen=rows[-1].number if rows else 0)
    append(store, replace(entry, state=state, refers_to=started.number), last_seen=started.number)


def edit(store: Store, statement: str) -> None:
    with sqlite3.connect(store.sqlite_file) as connection:
        connection.execute(statement)
    connection.close()


def broken_at(store: Store) -> Fault:
    fault = read_journal(store).fault
    assert fault is not None
    return fault


@pytest.fixture
def filled(bare_store: Store) -> Store:
    """A journal of eight rows: versions 1, 2 and 3 of anna promoted, and version 1 of bob in between."""
    release(bare_store, "anna", "promote", None, 1)
    release(bare_store, "anna", "promote", 1, 2)
    release(bare_store, "bob", "promote", None, 1)
    release(bare_store, "anna", "promote", 2, 3)
    return bare_store


def test_reading_without_a_database_finds_no_rows_and_creates_nothing(bare_store):
    assert read_journal(bare_store).rows == () and read_journal(bare_store).fault is None
    assert champion(bare_store, "anna") is None
    assert not bare_store.sqlite_file.exists()


def test_rows_are_numbered_chained_and_kept(filled):
    journal = read_journal(filled)
    assert [row.number for row in journal.rows] == list(range(1, 9))
    assert journal.fault is None
    assert all(later.prev_hash == earlier.hash for earlier, later in zip(journal.rows, journal.rows[1:], strict=False))
    assert [row.state for row in journal.rows_of("bob")] == ["started", "done"]
    assert journal.rows[0].utc.endswith("+00:00")
    assert champion(filled, "anna").version == 3 and champion(filled, "bob").version == 1


@pytest.mark.parametrize(
    ("statement", "row"),
    [
        ("UPDATE voxfoundry_journal SET to_version = 9 WHERE number = 4", 4),
        ("UPDATE voxfoundry_journal SET actor = 'somebody' WHERE number = 1", 1),
        ("UPDATE voxfoundry_journal SET note = 'x' WHERE number = 8", 8),
        ("UPDATE voxfoundry_journal SET utc = '2020-01-01T00:00:00.000+00:00' WHERE number = 5", 5),
        ("UPDATE voxfoundry_journal SET to_version = 'two' WHERE number = 4", 4),
        ("UPDATE voxfoundry_journal SET signature = 'zz' WHERE number = 6", 6),
        ("UPDATE voxfoundry_journal SET public_key = '00' WHERE number = 6", 6),
        ("UPDATE voxfoundry_journal SET number = 20 WHERE number = 3", 3),
        ("DELETE FROM voxfoundry_journal WHERE number = 3", 3),
        ("DELETE FROM voxfoundry_journal WHERE number > 6", 7),
        ("DELETE FROM voxfoundry_journal WHERE voice = 'bob'", 5),
        ("DELETE FROM voxfoundry_journal", 1),
        ("DELETE FROM voxfoundry_journal_head", 8),
        ("UPDATE voxfoundry_journal_head SET number = 6", 8),
    ],
)
def test_hand_edited_journal_is_broken_at_the_edited_row(filled, statement, row):
    edit(filled, statement)
    assert broken_at(filled).row == row
    with pytest.raises(JournalError, match=f"broken at row {row}: .*vox audit"):
        champion(filled, "anna")


def test_edited_row_is_found_by_its_signature_even_if_every_later_hash_is_computed_anew(filled):
    rows = [vars(row) | {} for row in read_journal(filled).rows]
    rows[3]["to_version"] = 9
    with sqlite3.connect(filled.sqlite_file) as connection:
        for index in range(3, len(rows)):
            rows[index]["prev_hash"] = rows[index - 1]["hash"]
            rows[index]["hash"] = row_hash(rows[index])
            connection.execute(
                "UPDATE voxfoundry_journal SET to_version = ?, prev_hash = ?, hash = ? WHERE number = ?",
                [rows[index][name] for name in ("to_version", "prev_hash", "hash", "number")],
            )
    connection.close()
    assert broken_at(filled).row == 4
    assert "signature does not fit" in broken_at(filled).reason


def test_row_written_with_a_foreign_key_is_not_trusted(filled, tmp_path, monkeypatch):
    monkeypatch.setenv("VOXFOUNDRY_TRUSTED_KEYS", str(tmp_path / "keys"))
    (tmp_path / "keys").mkdir()
    assert "not trusted" in broken_at(filled).reason
    with pytest.raises(SigningError, match="not among the trusted keys"):
        append(replace(filled, database_uri=f"sqlite:///{tmp_path}/new.db"), ENTRY, last_seen=0)


def test_cut_off_end_is_found_before_anything_is_appended(filled):
    edit(filled, "DELETE FROM voxfoundry_journal WHERE number > 6")
    with pytest.raises(JournalError, match="broken at row 7"):
        append(filled, replace(ENTRY, voice="carl"), last_seen=0)


def test_append_after_another_release_is_refused_and_writes_nothing(filled):
    with pytest.raises(JournalError, match="row 8 was written after row 4, on which this release was decided"):
        append(filled, ENTRY, last_seen=4)
    assert len(read_journal(filled).rows) == 8


def test_append_that_fails_half_way_leaves_the_journal_as_it_was(filled):
    class StoppedError(Exception):
        pass

    with pytest.raises(StoppedError), append_transaction(filled) as connection:
        connection.exec_driver_sql("DELETE FROM voxfoundry_journal")
        raise StoppedError
    assert len(read_journal(filled).rows) == 8 and read_journal(filled).fault is None


# the release state: what the rows say about champion and rollback


@pytest.mark.parametrize(
    ("moves", "stack"),
    [
        ([("promote", 1)], [1]),
        ([("promote", 1), ("promote", 2), ("promote", 3)], [1, 2, 3]),
        ([("promote", 1), ("promote", 2), ("promote", 3), ("rollback", 2)], [1, 2]),
        ([("promote", 1), ("promote", 2), ("promote", 3), ("rollback", 2), ("rollback", 1)], [1]),
        ([("promote", 1), ("promote", 2), ("promote", 3), ("rollback", 1)], [1]),
        ([("promote", 1), ("promote", 2), ("rollback", 1), ("promote", 3)], [1, 3]),
        ([("promote", 1), ("promote", 2), ("rollback", 1), ("rollback", 2)], [1, 2]),
        ([("promote", 1), ("promote", 2), ("promote", 1), ("promote", 3), ("rollback", 1)], [1, 2, 1]),
        ([("promote", 1), ("revoke", None)], []),
        ([("promote", 1), ("promote", 2), ("revoke", None), ("rollback", 1)], [1]),
    ],
)
def test_release_state_follows_promotions_and_rollbacks(bare_store, moves, stack):
    before = None
    for action, version in moves:
        release(bare_store, "anna", action, before, version)
        before = version
    state = release_state(history(bare_store, "anna"))
    assert [entry.version for entry in state.stack] == stack
    assert set(state.past) == {version for _, version in moves if version is not None}
    assert state.unfinished is None


def test_undone_release_and_restored_alias_do_not_count(bare_store):
    release(bare_store, "anna", "promote", None, 1)
    release(bare_store, "anna", "promote", 1, 2, state="undone")
    release(bare_store, "anna", "restore", 2, 1)
    state = release_state(history(bare_store, "anna"))
    assert state.champion.version == 1 and list(state.past) == [1]


def test_started_release_is_unfinished_and_changes_no_champion(bare_store):
    release(bare_store, "anna", "promote", None, 1)
    append(bare_store, Entry("anna", "promote", "started", 1, 2, "c2", "v", "tester"), last_seen=2)
    state = release_state(history(bare_store, "anna"))
    assert state.unfinished.number == 3 and state.champion.version == 1

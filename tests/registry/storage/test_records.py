"""The journal of a voice: append-only, one chain per voice, and either whole or broken at a named row."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from key_helpers import make_signer, write_trust

from registry.keys.ed25519 import SigningError
from registry.keys.roles import ROLES
from registry.keys.signing import own_public_key
from registry.keys.trust import load_trust
from registry.storage import anchor as anchor_module
from registry.storage import records as records_module
from registry.storage.anchor import AnchorError, anchor_path
from registry.storage.checkpoints import checkpoint_content
from registry.storage.identity import database_id
from registry.storage.record import JournalError, record_message
from registry.storage.records import append_record, find_records, newest_record, read_records
from registry.storage.store import Store, open_store


def edit(store: Store, statement: str, *values: object) -> None:
    with sqlite3.connect(store.sqlite_file) as connection:
        connection.execute(statement, values)
    connection.close()


def fill(store: Store, voice: str, n_rows: int, first: int = 1) -> None:
    for number in range(first, first + n_rows):
        append_record(store, voice, "verdict", {"candidate_id": f"c{number % 3}", "n": number})


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the projects of `filled` and `long` once, because every row is flushed to the disk."""
    folder = tmp_path_factory.mktemp("journals")
    filled, long = open_store(folder / "filled"), open_store(folder / "long")
    fill(filled, "anna", 4)
    fill(filled, "bob", 2)
    fill(filled, "anna", 4, first=5)
    fill(long, "anna", 20)
    append_record(long, "anna", "checkpoint", checkpoint_content({}, load_trust(long.root)))
    fill(long, "anna", 10, first=22)
    return folder


@pytest.fixture
def filled(templates: Path, tmp_path: Path) -> Store:
    """Eight rows of anna, and two of bob between them."""
    return open_store(shutil.copytree(templates / "filled", tmp_path / "filled"))


def test_reading_without_a_database_finds_no_rows_and_creates_nothing(bare_store):
    assert read_records(bare_store, "anna").rows == () and read_records(bare_store, "anna").fault is None
    assert newest_record(bare_store, "anna", "verdict") is None and database_id(bare_store) is None
    assert not bare_store.sqlite_file.exists()


def test_rows_are_numbered_per_voice_chained_and_kept(filled):
    for voice, n_rows in (("anna", 8), ("bob", 2), ("nobody", 0)):
        records = read_records(filled, voice)
        assert [row.number for row in records.rows] == list(range(1, n_rows + 1))
        assert records.fault is None and records.last_number == n_rows
    rows = read_records(filled, "anna").rows
    assert all(later.stamp.prev_hash == row.stamp.hash for row, later in pairwise(rows))
    assert rows[4].values == {"candidate_id": "c2", "n": 5} and rows[0].utc.endswith("+00:00")


def test_newest_record_has_the_values_that_were_wanted(filled):
    assert newest_record(filled, "anna", "verdict").number == 8
    assert newest_record(filled, "anna", "verdict", candidate_id="c1").values["n"] == 7
    assert newest_record(filled, "anna", "verdict", candidate_id="c9") is None
    assert newest_record(filled, "anna", "release") is None


EDITS = [
    ("UPDATE voxfoundry_records SET content = '{}' WHERE number = 4 AND voice = 'anna'", 4),
    ("UPDATE voxfoundry_records SET content = CAST(x'ff' AS TEXT) WHERE number = 4 AND voice = 'anna'", 4),
    ("UPDATE voxfoundry_records SET content = x'ff' WHERE number = 4 AND voice = 'anna'", 4),
    ("UPDATE voxfoundry_records SET kind = 'release' WHERE number = 1 AND voice = 'anna'", 1),
    ("UPDATE voxfoundry_records SET utc = '2020-01-01T00:00:00.000+00:00' WHERE number = 5 AND voice = 'anna'", 5),
    ("UPDATE voxfoundry_records SET utc = 7 WHERE number = 5 AND voice = 'anna'", 5),
    ("UPDATE voxfoundry_records SET signature = 'zz' WHERE number = 6 AND voice = 'anna'", 6),
    ("UPDATE voxfoundry_records SET public_key = '00' WHERE number = 6 AND voice = 'anna'", 6),
    ("UPDATE voxfoundry_records SET number = 20 WHERE number = 3 AND voice = 'anna'", 3),
    ("UPDATE voxfoundry_records SET number = 'two' WHERE number = 2 AND voice = 'anna'", 2),
    ("UPDATE voxfoundry_records SET voice = 'anna', number = 9 WHERE number = 2 AND voice = 'bob'", 9),
    ("UPDATE voxfoundry_records SET voice = 'zoe' WHERE voice = 'anna'", 1),
    ("DELETE FROM voxfoundry_records WHERE number = 3 AND voice = 'anna'", 3),
    ("DELETE FROM voxfoundry_records WHERE number > 6 AND voice = 'anna'", 7),
    ("DELETE FROM voxfoundry_records", 1),
    ("DELETE FROM voxfoundry_heads", 8),
    ("UPDATE voxfoundry_heads SET number = 6", 8),
    ("UPDATE voxfoundry_heads SET hash = 'x'", 8),
    ("DROP TABLE voxfoundry_records", 1),
    ("DROP TABLE voxfoundry_heads", 1),
]
NEW_DATABASES = [("DELETE FROM voxfoundry_database", 8), ("DROP TABLE voxfoundry_database", 8)]  # only an anchor tells


@pytest.mark.parametrize(
    ("statement", "row", "anchored"),
    [(*each, anchored) for each in EDITS for anchored in (True, False)] + [(*each, True) for each in NEW_DATABASES],
)
def test_edited_journal_is_broken_at_the_edited_row(filled, statement, row, anchored):
    if not anchored:
        anchor_path(filled.root, "anna").unlink()
    edit(filled, statement)
    for whole in (True, False):
        assert read_records(filled, "anna", whole=whole).fault.row == row
    with pytest.raises(JournalError, match=f"broken at row {row}: .*vox audit anna"):
        newest_record(filled, "anna", "verdict")


def test_other_voice_is_not_read_and_stays_whole(filled):
    edit(filled, "UPDATE voxfoundry_records SET content = '{}' WHERE voice = 'anna'")
    assert read_records(filled, "bob", whole=True).fault is None


def test_id_that_was_edited_or_doubled_is_refused(filled):
    edit(filled, "INSERT INTO voxfoundry_database SELECT 'other', utc, public_key, signature FROM voxfoundry_database")
    with pytest.raises(JournalError, match="2 ids instead of one"):
        read_records(filled, "anna")
    edit(filled, "DELETE FROM voxfoundry_database WHERE id != 'other'")
    with pytest.raises(JournalError, match="id of the database is not genuine"):
        append_record(filled, "anna", "verdict", {})


def test_journal_of_an_earlier_version_is_refused_in_one_sentence(bare_store):
    edit(bare_store, "CREATE TABLE voxfoundry_journal (number INTEGER)")
    for call in (lambda: read_records(bare_store, "anna"), lambda: append_record(bare_store, "anna", "verdict", {})):
        with pytest.raises(JournalError, match="earlier version of Voxfoundry, which is not read; begin with a new"):
            call()


def test_row_of_another_database_does_not_count_though_the_key_is_the_same(filled, tmp_path):
    shutil.copytree(filled.root / ".vox", tmp_path / "other" / ".vox")
    other = open_store(tmp_path / "other")
    fill(other, "anna", 8)
    with sqlite3.connect(other.sqlite_file) as connection:
        rows = connection.execute("SELECT * FROM voxfoundry_records WHERE voice = 'anna'").fetchall()
        heads = connection.execute("SELECT * FROM voxfoundry_heads WHERE voice = 'anna'").fetchall()
    connection.close()
    for table, stored in (("voxfoundry_records", rows), ("voxfoundry_heads", heads)):
        edit(filled, f"DELETE FROM {table} WHERE voice = 'anna'")
        for row in stored:
            edit(filled, f"INSERT INTO {table} VALUES ({','.join('?' * len(row))})", *row)
    anchor_path(filled.root, "anna").unlink()
    assert "changed after it was written" in read_records(filled, "anna").fault.reason


def test_row_of_a_key_that_is_not_trusted_does_not_count_and_is_not_written(filled, tmp_path):
    write_trust(filled.root, [make_signer(tmp_path, "ben").entry("engineer")])
    anchor_path(filled.root, "anna").unlink()
    with pytest.raises(JournalError, match="not trusted"):
        read_records(filled, "anna")
    anchor_path(filled.root, "bob").unlink()
    with pytest.raises(SigningError, match="not trusted now"):
        append_record(replace(filled, database_uri=f"sqlite:///{tmp_path}/new.db"), "anna", "verdict", {})


def test_row_needs_the_role_of_its_kind_where_it_is_written_and_where_it_is_read(filled):
    own = {"name": "eve", "public_key": own_public_key(filled.root)}
    write_trust(filled.root, [own | {"roles": ["engineer"]}])
    revocation = {"action": "revoke", "state": "started"}
    assert append_record(filled, "anna", "verdict", {}).number == 9
    with pytest.raises(SigningError, match="needs privacy_officer"):
        append_record(filled, "anna", "release", revocation)
    write_trust(filled.root, [own | {"roles": ["engineer", "privacy_officer"]}])
    append_record(filled, "anna", "release", revocation)
    write_trust(filled.root, [own | {"roles": ["engineer"]}])
    found = read_records(filled, "anna").require_whole()  # the row stays in the chain, and nothing follows from it
    assert "had the roles engineer then and not privacy_officer" in found.void[10]
    assert [record.number for record in found.valid_rows] == list(range(1, 10))
    assert newest_record(filled, "anna", "release") is None


def test_rows_of_a_kind_are_found_after_a_row_across_a_checkpoint(long):
    append_record(long, "anna", "approval", {"by": "ben"})
    assert [row.number for row in find_records(long, "anna", "verdict", since=7, candidate_id="c1")] == [
        *(10, 13, 16, 19),
        *(22, 25, 28, 31),
    ]
    assert find_records(long, "anna", "verdict", since=31) == ()
    assert [row.number for row in find_records(long, "anna", "approval", since=0)] == [32]


def test_row_that_somebody_else_signs_again_breaks_the_journal(filled):
    """Otherwise an engineer could sign a promotion again, which would take its effect away."""
    ben = make_signer(filled.root, "ben")
    own = {"name": "anna", "public_key": own_public_key(filled.root), "roles": list(ROLES)}
    write_trust(filled.root, [own, ben.entry("engineer")])
    stamp = read_records(filled, "anna").rows[4].stamp
    signature = ben.sign(record_message(stamp.hash))
    statement = "UPDATE voxfoundry_records SET public_key = ?, signature = ? WHERE voice = 'anna' AND number = 5"
    edit(filled, statement, signature.public_key, signature.signature)
    fault = read_records(filled, "anna").fault
    assert (fault.row, fault.reason) == (5, "its contents were changed after it was written")


def test_clock_that_was_set_back_does_not_set_the_journal_back(filled, monkeypatch):
    class EarlyClock(records_module.datetime):
        @classmethod
        def now(cls, tz=None):
            return records_module.datetime(2020, 1, 1, tzinfo=tz)

    before = read_records(filled, "anna").rows[-1].utc
    monkeypatch.setattr(records_module, "datetime", EarlyClock)
    assert append_record(filled, "anna", "verdict", {}).utc > before
    assert read_records(filled, "anna").fault is None


# what a decision rests on


def test_append_after_another_row_of_the_kind_is_refused_and_writes_nothing(filled):
    with pytest.raises(JournalError, match="row 8 was written after row 4, on which this verdict was decided"):
        append_record(filled, "anna", "verdict", {}, last_seen=4)
    assert append_record(filled, "anna", "registration", {}, last_seen=0).number == 9
    assert append_record(filled, "anna", "verdict", {}, last_seen=8).number == 10


def test_cut_off_end_is_found_before_anything_is_appended(filled):
    edit(filled, "DELETE FROM voxfoundry_records WHERE number > 6 AND voice = 'anna'")
    with pytest.raises(JournalError, match="broken at row 7"):
        append_record(filled, "anna", "verdict", {})


# the anchor


def older_copy(store: Store) -> None:
    """Append two rows, then put the database back as it was before them."""
    copy = store.root / "older.db"
    shutil.copy(store.sqlite_file, copy)
    fill(store, "anna", 2, first=9)
    shutil.copy(copy, store.sqlite_file)


def test_older_copy_of_the_database_is_found_by_the_anchor(filled):
    older_copy(filled)
    assert str(read_records(filled, "anna").fault).startswith(
        "the journal of anna is broken at row 9: it is missing: the project anchored row 10"
    )
    with pytest.raises(JournalError, match="broken at row 9"):
        append_record(filled, "anna", "verdict", {})


def test_older_copy_that_was_continued_elsewhere_is_found_by_the_anchor(filled):
    older_copy(filled)
    anchor = anchor_path(filled.root, "anna").read_text()
    anchor_path(filled.root, "anna").unlink()
    fill(filled, "anna", 5, first=9)  # somebody without the anchor goes on
    anchor_path(filled.root, "anna").write_text(anchor)
    assert "row 10: the project anchored another row" in str(read_records(filled, "anna").fault)


def test_anchor_of_an_earlier_row_is_no_fault_and_a_later_row_replaces_it(filled):
    path = anchor_path(filled.root, "anna")
    earlier = path.read_text()
    fill(filled, "anna", 2, first=9)
    path.write_text(earlier)  # as git checkout of an earlier commit does
    assert read_records(filled, "anna").fault is None
    fill(filled, "anna", 1, first=11)
    assert json.loads(path.read_text())["number"] == 11


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("<<<<<<< HEAD", "does not hold the anchor"),
        ("[" * 10_000, "does not hold the anchor"),
        ("{}", "does not hold the anchor"),
        (None, "is the anchor of 'bob', not of anna"),
    ],
)
def test_anchor_that_is_not_one_is_refused(filled, content, message):
    bob = anchor_path(filled.root, "bob").read_text()
    anchor_path(filled.root, "anna").write_text(bob if content is None else content)
    with pytest.raises(JournalError, match=message):
        read_records(filled, "anna")


def test_edited_anchor_is_refused(filled):
    path = anchor_path(filled.root, "anna")
    path.write_text(path.read_text().replace('"number": 8', '"number": 2'))
    with pytest.raises(JournalError, match=r"is not what was signed: .*restore it, for example with `git checkout"):
        read_records(filled, "anna")


def test_anchor_that_cannot_be_written_is_an_error_and_the_row_is_there(filled, monkeypatch):
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(anchor_module, "replace_file", fail)
        with pytest.raises(AnchorError, match=r"row 9 of the journal of anna is written, but its anchor .*No space"):
            append_record(filled, "anna", "verdict", {})
    assert read_records(filled, "anna").last_number == 9
    assert append_record(filled, "anna", "verdict", {}).number == 10


def test_name_that_leaves_the_folder_is_refused(bare_store):
    for name in ("../anna", "", "a/b", ".", "a" * 65):
        with pytest.raises(ValueError, match="cannot be a voice's name"):
            append_record(bare_store, name, "verdict", {})
    assert not bare_store.sqlite_file.exists()


# checkpoints: reading does not get slower with the number of rows


@pytest.fixture
def long(templates: Path, tmp_path: Path) -> Store:
    """Twenty rows, a checkpoint, and ten rows."""
    return open_store(shutil.copytree(templates / "long", tmp_path / "long"))


def test_reading_begins_at_the_newest_checkpoint(long):
    assert [row.number for row in read_records(long, "anna").rows] == list(range(21, 32))
    assert len(read_records(long, "anna", whole=True).rows) == 31


def test_removed_row_before_the_checkpoint_is_noticed(long):
    edit(long, "DELETE FROM voxfoundry_records WHERE number = 5")
    assert "19 rows are before this checkpoint and 20 were written" in str(read_records(long, "anna").fault)
    assert read_records(long, "anna", whole=True).fault.row == 5


def test_row_before_the_checkpoint_is_proven_on_the_way_back(long):
    append_record(long, "anna", "approval", {"by": "anna"})
    assert newest_record(long, "anna", "verdict", n=7).number == 7
    edit(long, "UPDATE voxfoundry_records SET kind = 'release' WHERE number = 9")
    assert read_records(long, "anna").fault is None
    with pytest.raises(JournalError, match="broken at row 9"):
        newest_record(long, "anna", "verdict", n=7)


def test_removed_or_forged_checkpoint_is_found(long):
    edit(long, "UPDATE voxfoundry_records SET kind = 'checkpoint' WHERE number = 25")
    assert read_records(long, "anna").fault.row == 25
    edit(long, "UPDATE voxfoundry_records SET kind = 'verdict' WHERE number IN (21, 25)")
    assert read_records(long, "anna").fault.row == 21
    edit(long, "DELETE FROM voxfoundry_records WHERE number = 21")
    assert read_records(long, "anna").fault.row == 21


def test_reading_while_others_write_never_finds_a_fault(bare_store):
    """A row that is written while another process reads must not look cut off, foreign or unsigned."""

    def read_for_two_seconds() -> int:
        deadline, faults = time.monotonic() + 2.0, 0
        while time.monotonic() < deadline and not faults:
            try:
                faults += read_records(bare_store, "anna").fault is not None
            except JournalError:
                faults += 1
        return faults

    reader = os.fork()
    if reader == 0:
        os._exit(read_for_two_seconds())
    for n in range(20):
        append_record(bare_store, "anna", "verdict", {"n": n})
    assert os.waitstatus_to_exitcode(os.waitpid(reader, 0)[1]) == 0

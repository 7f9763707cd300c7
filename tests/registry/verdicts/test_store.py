"""Verdicts are signed, stored, and found again only as they were signed."""

from __future__ import annotations

import sqlite3

import pytest
from key_helpers import make_signer, write_trust
from release_helpers import make_verdict, scorecard, utterance

from registry.storage.record import JournalError
from registry.storage.records import append_record
from registry.storage.store import Store
from registry.verdicts.store import VerdictError, newest_verdict, save_verdict, verdict_by_sha256

CANDIDATE_ID = "1" * 64


def edit(store: Store, statement: str) -> None:
    with sqlite3.connect(store.sqlite_file) as connection:
        connection.execute(statement)
    connection.close()


def test_exit_codes_are_0_1_and_3():
    assert make_verdict(scorecard()).exit_code == 0
    assert make_verdict(scorecard(wer=0.9)).exit_code == 1
    few = [utterance(p, s, 2 if p % 5 == 0 else 1) for p in range(20) for s in (0, 1)]
    assert make_verdict(scorecard(rows=few), scorecard(wer=0.1)).exit_code == 3


def test_saved_verdict_is_found_equal_by_candidate_and_by_hash(bare_store):
    saved = save_verdict(bare_store, make_verdict(scorecard(), scorecard(wer=0.2)))
    assert newest_verdict(bare_store, "anna", candidate_id=CANDIDATE_ID) == saved
    assert verdict_by_sha256(bare_store, "anna", saved.sha256) == saved
    assert newest_verdict(bare_store, "anna", candidate_id="0" * 64) is None
    assert newest_verdict(bare_store, "bob", candidate_id=CANDIDATE_ID) is None


def test_without_a_database_there_is_no_verdict(bare_store):
    assert newest_verdict(bare_store, "anna", candidate_id=CANDIDATE_ID) is None


def test_equal_verdict_is_stored_once_and_another_one_is_newer(bare_store):
    first = save_verdict(bare_store, make_verdict(scorecard()))
    assert save_verdict(bare_store, make_verdict(scorecard())) == first
    second = save_verdict(bare_store, make_verdict(scorecard(wer=0.9)))
    assert newest_verdict(bare_store, "anna", candidate_id=CANDIDATE_ID) == second
    assert verdict_by_sha256(bare_store, "anna", first.sha256) == first


def test_verdict_changed_from_fail_to_pass_is_found(bare_store):
    save_verdict(bare_store, make_verdict(scorecard(wer=0.9)))
    edit(bare_store, """UPDATE voxfoundry_verdicts_by_hash SET payload = replace(payload, '"fail"', '"pass"')""")
    with pytest.raises(VerdictError, match="was changed after it was signed"):
        newest_verdict(bare_store, "anna", candidate_id=CANDIDATE_ID)


def test_verdict_that_was_exchanged_with_its_hash_is_found(bare_store):
    save_verdict(bare_store, make_verdict(scorecard(wer=0.9)))
    other = make_verdict(scorecard())
    edit(
        bare_store,
        f"UPDATE voxfoundry_verdicts_by_hash SET payload = '{other.payload()}', sha256 = '{other.sha256()}'",
    )
    with pytest.raises(VerdictError, match="is gone from the database"):
        newest_verdict(bare_store, "anna", candidate_id=CANDIDATE_ID)
    edit(bare_store, "UPDATE voxfoundry_records SET content = replace(content, '\"fail\"', '\"pass\"')")
    with pytest.raises(JournalError, match="broken at row 1: its contents were changed"):
        newest_verdict(bare_store, "anna", candidate_id=CANDIDATE_ID)


def test_failed_verdict_that_was_removed_does_not_bring_an_earlier_pass_back(bare_store):
    """M1: verdicts are rows of the journal, so removing the newest is found like any cut end."""
    save_verdict(bare_store, make_verdict(scorecard()))
    save_verdict(bare_store, make_verdict(scorecard(wer=0.9)))
    edit(bare_store, "DELETE FROM voxfoundry_records WHERE number = 2")
    with pytest.raises(JournalError, match="broken at row 2"):
        newest_verdict(bare_store, "anna", candidate_id=CANDIDATE_ID)


def test_verdict_filed_under_another_candidate_is_found(bare_store):
    saved = save_verdict(bare_store, make_verdict(scorecard()))
    content = {"candidate_id": "4" * 64, "outcome": "pass", "sha256": saved.sha256}
    append_record(bare_store, "anna", "verdict", content)
    with pytest.raises(VerdictError, match="filed under another"):
        newest_verdict(bare_store, "anna", candidate_id="4" * 64)


def test_lost_payload_is_written_again_by_the_next_gate(bare_store):
    saved = save_verdict(bare_store, make_verdict(scorecard()))
    edit(bare_store, "DELETE FROM voxfoundry_verdicts_by_hash")
    assert save_verdict(bare_store, make_verdict(scorecard())) == saved
    assert newest_verdict(bare_store, "anna", candidate_id=CANDIDATE_ID) == saved


def test_verdict_of_an_untrusted_key_does_not_count(bare_store, tmp_path):
    save_verdict(bare_store, make_verdict(scorecard()))
    write_trust(bare_store.root, [make_signer(tmp_path, "ben").entry("engineer")])
    with pytest.raises(JournalError, match="which is not trusted here"):
        newest_verdict(bare_store, "anna", candidate_id=CANDIDATE_ID)

"""Verdicts are signed, stored, and found again only as they were signed."""

from __future__ import annotations

import sqlite3

import pytest
from release_helpers import make_verdict, scorecard, utterance

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
    assert verdict_by_sha256(bare_store, saved.sha256) == saved
    assert newest_verdict(bare_store, "anna", candidate_id="0" * 64) is None
    assert newest_verdict(bare_store, "bob", candidate_id=CANDIDATE_ID) is None


def test_without_a_database_there_is_no_verdict(bare_store):
    assert newest_verdict(bare_store, "anna", candidate_id=CANDIDATE_ID) is None


def test_equal_verdict_is_stored_once_and_another_one_is_newer(bare_store):
    first = save_verdict(bare_store, make_verdict(scorecard()))
    assert save_verdict(bare_store, make_verdict(scorecard())) == first
    second = save_verdict(bare_store, make_verdict(scorecard(wer=0.9)))
    assert newest_verdict(bare_store, "anna", candidate_id=CANDIDATE_ID) == second
    assert verdict_by_sha256(bare_store, first.sha256) == first


def test_verdict_changed_from_fail_to_pass_is_found(bare_store):
    save_verdict(bare_store, make_verdict(scorecard(wer=0.9)))
    edit(bare_store, """UPDATE voxfoundry_verdicts SET payload = replace(payload, '"fail"', '"pass"')""")
    with pytest.raises(VerdictError, match="was changed after it was signed"):
        newest_verdict(bare_store, "anna", candidate_id=CANDIDATE_ID)


def test_verdict_with_a_new_hash_but_the_old_signature_is_found(bare_store):
    save_verdict(bare_store, make_verdict(scorecard(wer=0.9)))
    other = make_verdict(scorecard())
    edit(bare_store, f"UPDATE voxfoundry_verdicts SET payload = '{other.payload()}', sha256 = '{other.sha256()}'")
    with pytest.raises(VerdictError, match="signature does not fit"):
        newest_verdict(bare_store, "anna", candidate_id=CANDIDATE_ID)


def test_verdict_filed_under_another_candidate_is_found(bare_store):
    save_verdict(bare_store, make_verdict(scorecard()))
    edit(bare_store, f"UPDATE voxfoundry_verdicts SET candidate_id = '{'4' * 64}'")
    with pytest.raises(VerdictError, match="filed under another"):
        newest_verdict(bare_store, "anna", candidate_id="4" * 64)


def test_verdict_of_an_untrusted_key_does_not_count(bare_store, tmp_path, monkeypatch):
    save_verdict(bare_store, make_verdict(scorecard()))
    (tmp_path / "keys").mkdir()
    monkeypatch.setenv("VOXFOUNDRY_TRUSTED_KEYS", str(tmp_path / "keys"))
    with pytest.raises(VerdictError, match="which is not trusted here"):
        newest_verdict(bare_store, "anna", candidate_id=CANDIDATE_ID)

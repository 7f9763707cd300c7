"""The audit: the history is whole, or what is wrong and where."""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import replace
from datetime import date

import pytest
from release_helpers import TODAY, recordings_of

from registry.keys.trust import load_trust
from registry.releases.audit import audit
from registry.releases.journal import append, champion, history, read_journal
from registry.releases.state import Entry
from registry.storage.checkpoints import checkpoint_content
from registry.storage.records import append_record, read_records
from registry.storage.store import mlflow_client

STRICT = {
    "thresholds": [{"metric": "wer", "at_most": 0.05, "unit": "errors per word", "reason": "test"}],
    "non_inferiority": [{"metric": "similarity", "margin": 0.1, "unit": "cosine", "reason": "test"}],
}


# Rows 1 to 3 of the journal are the registrations of the three versions


def edit(desk, statement: str) -> None:
    with sqlite3.connect(desk.store.sqlite_file) as connection:
        connection.execute(statement)
    connection.close()


def test_voice_without_any_release_is_whole(desk):
    assert audit(desk.store, "anna") == ()
    assert audit(desk.store, "nobody") == ()


def test_released_and_rolled_back_voice_is_whole(desk):
    desk.release(1, 2)
    desk.rollback()
    assert audit(desk.store, "anna") == ()


def test_audit_changes_nothing(desk):
    desk.release(1)
    rows = history(desk.store, "anna")
    mlflow_client(desk.store).delete_registered_model_alias("anna", "champion")
    assert audit(desk.store, "anna") != ()
    assert (history(desk.store, "anna"), desk.alias()) == (rows, None)


@pytest.mark.parametrize(
    ("statement", "row"),
    [
        ("UPDATE voxfoundry_records SET content = replace(content, '\"to_version\":2', '\"to_version\":3')", 8),
        ("UPDATE voxfoundry_records SET content = replace(content, 'tester', 'nobody') WHERE number = 5", 5),
        ("DELETE FROM voxfoundry_records WHERE number = 5", 5),
        ("DELETE FROM voxfoundry_records WHERE number = 9", 9),
    ],
)
def test_hand_edited_row_is_found_with_its_number(desk, statement, row):
    desk.release(1, 2)
    edit(desk, statement)
    assert audit(desk.store, "anna")[0].startswith(f"the journal of anna is broken at row {row}: ")


def test_deleted_former_champion_is_found(desk):
    desk.release(1, 2)
    mlflow_client(desk.store).delete_model_version("anna", "1")
    (problem,) = audit(desk.store, "anna")
    assert problem.startswith(
        "version 1 was champion (row 6) and cannot be served again: MLflow has no version of anna"
    )


def test_deleted_champion_is_found_with_its_lost_alias(desk):
    desk.release(1, 2)
    mlflow_client(desk.store).delete_model_version("anna", "2")
    problems = audit(desk.store, "anna")
    assert len(problems) == 2 and "the alias champion is at nothing and the journal says version 2" in problems[1]


def test_exchanged_version_is_found(desk):
    desk.release(1)
    mlflow_client(desk.store).set_model_version_tag("anna", "1", "candidate_id", "0" * 64)
    problems = audit(desk.store, "anna")
    assert problems[0].startswith("version 1 was champion (row 6) and cannot be served again: MLflow has no version")
    assert problems[1].startswith("the alias champion is at version 1 and the journal says version 1")


def test_changed_weights_of_a_former_champion_are_found(desk):
    """M2: the audit reads the files and not only the tags."""
    desk.release(1, 2)
    mlflow_client(desk.store).set_model_version_tag("anna", "1", "scores_sha256", "0" * 64)
    problem = audit(desk.store, "anna")[0]
    assert problem.startswith("version 1 was champion (row 6) and cannot be served again: anna version 1 is not what")


def test_deleted_and_edited_verdicts_are_found(desk):
    desk.release(1)
    edit(desk, "UPDATE voxfoundry_verdicts_by_hash SET payload = replace(payload, '0.2', '0.1')")
    assert audit(desk.store, "anna") == (
        "row 5: the verdict in row 4 about anna was changed after it was signed; "
        "run the gate on that version again (`vox gate anna --candidate N`)",
    )
    edit(desk, "DELETE FROM voxfoundry_verdicts_by_hash")
    assert "row 5: the verdict in row 4 about anna is gone from the database" in audit(desk.store, "anna")[0]


def test_promotion_past_a_newer_failed_verdict_is_found(desk):
    """M1: whoever holds a key can write a promotion, but not hide that the newest verdict was another one."""
    desk.release(1)
    passed = desk.gate(2)
    assert desk.gate(2, **STRICT).verdict.outcome == "fail"
    before = champion(desk.store, "anna")
    entry = Entry(
        action="promote",
        state="started",
        from_version=1,
        from_candidate_id=before.candidate_id,
        to_version=2,
        candidate_id=passed.verdict.candidate.candidate_id,
        verdict_sha256=passed.sha256,
        consent_sha256=None,
        actor="tester",
    )
    started = append(desk.store, "anna", entry, last_seen=6)
    append(desk.store, "anna", replace(entry, state="done", refers_to=started.number), last_seen=started.number)
    assert audit(desk.store, "anna")[0] == (
        f"row {started.number}: the verdict that allowed the promotion is not the newest about its candidate"
    )


def test_checkpoint_that_says_something_else_than_the_rows_is_found(desk):
    desk.release(1, 2)
    state, trust = read_journal(desk.store, "anna").state, load_trust(desk.store.root)
    append_record(desk.store, "anna", "checkpoint", checkpoint_content(state.as_content(), trust))
    assert audit(desk.store, "anna") == ()
    other = replace(state, stack=state.stack[:1]).as_content()
    append_record(desk.store, "anna", "checkpoint", checkpoint_content(other, trust))
    assert "row 11 is a checkpoint that does not hold what the rows before it say" in audit(desk.store, "anna")


def test_row_that_was_noted_elsewhere_is_expected(desk):
    desk.release(1)
    row = read_records(desk.store, "anna").rows[-1]
    assert audit(desk.store, "anna", expect=f"{row.number}:{row.stamp.hash[:16]}") == ()
    assert "has the hash" in audit(desk.store, "anna", expect=f"{row.number}:{'0' * 64}")[0]
    assert "row 12 was expected and the journal ends at row 6" in audit(desk.store, "anna", expect=f"12:{'0' * 64}")[0]
    with pytest.raises(ValueError, match="write NUMBER:HASH"):
        audit(desk.store, "anna", expect="the newest")


def test_voice_that_is_live_without_consent_is_found(desk):
    desk.release(1)
    assert audit(desk.store, "anna", recordings_dir=desk.recordings, today=TODAY) == ()
    recordings_of(desk.store.root, valid_until=date(2026, 5, 31))
    (problem,) = audit(desk.store, "anna", recordings_dir=desk.recordings, today=TODAY)
    assert problem.startswith("version 1 is live without a consent: ") and "ended on 2026-05-31" in problem


def test_older_copy_of_the_database_is_told(desk):
    """H6: the copy is whole in itself, so only what lies outside the database can tell."""
    desk.release(1)
    copy = shutil.copy(desk.store.sqlite_file, desk.store.root / "copy.db")
    desk.gate(2)
    desk.promote(2)
    shutil.copy(copy, desk.store.sqlite_file)
    (problem,) = audit(desk.store, "anna")
    assert problem.startswith("the journal of anna is broken at row 7: it is missing: the project anchored row 9")

"""The audit: the history is whole, or what is wrong and where."""

from __future__ import annotations

import sqlite3

import pytest

from registry.releases.audit import audit
from registry.releases.journal import history
from registry.storage.store import mlflow_client


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
        ("UPDATE voxfoundry_journal SET to_version = 3 WHERE number = 3", 3),
        ("UPDATE voxfoundry_journal SET actor = 'nobody' WHERE number = 1", 1),
        ("DELETE FROM voxfoundry_journal WHERE number = 2", 2),
        ("DELETE FROM voxfoundry_journal WHERE number = 4", 4),
    ],
)
def test_hand_edited_row_is_found_with_its_number(desk, statement, row):
    desk.release(1, 2)
    edit(desk, statement)
    assert audit(desk.store, "anna")[0].startswith(f"the journal is broken at row {row}: ")


def test_deleted_former_champion_is_found(desk):
    desk.release(1, 2)
    mlflow_client(desk.store).delete_model_version("anna", "1")
    (problem,) = audit(desk.store, "anna")
    assert problem.startswith("version 1 was champion (row 2) and cannot be served again: anna has no version 1")


def test_deleted_champion_is_found_with_its_lost_alias(desk):
    desk.release(1, 2)
    mlflow_client(desk.store).delete_model_version("anna", "2")
    problems = audit(desk.store, "anna")
    assert len(problems) == 2 and "the alias champion is at nothing and the journal says version 2" in problems[1]


def test_exchanged_version_is_found(desk):
    desk.release(1)
    mlflow_client(desk.store).set_model_version_tag("anna", "1", "candidate_id", "0" * 64)
    assert audit(desk.store, "anna")[0].startswith("version 1 in MLflow is candidate 000000000000..., but row 2")


def test_deleted_verdict_is_found(desk):
    desk.release(1)
    edit(desk, "DELETE FROM voxfoundry_verdicts")
    assert audit(desk.store, "anna") == (
        "row 2: the verdict that allowed the promotion is gone from the database",
    )  # fmt: skip


def test_edited_verdict_is_found(desk):
    desk.release(1)
    edit(desk, "UPDATE voxfoundry_verdicts SET payload = replace(payload, '0.2', '0.1')")
    assert "row 2: the stored verdict 1 about anna was changed after it was signed" in audit(desk.store, "anna")[0]

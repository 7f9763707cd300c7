"""The alias: only the journal decides where it is, and it moves between two journal rows."""

from __future__ import annotations

import sqlite3

import pytest

from registry.releases import alias as alias_module
from registry.releases.alias import ReleaseRefused
from registry.releases.audit import audit
from registry.releases.journal import JournalError
from registry.releases.promotion import recover
from registry.storage.store import mlflow_client


def test_alias_moved_by_hand_is_put_back_and_journalled(desk):
    desk.release(1, 2)
    mlflow_client(desk.store).set_registered_model_alias("anna", "champion", "3")
    assert audit(desk.store, "anna")[0].startswith("the alias champion is at version 3 and the journal says version 2")
    assert recover(desk.store, "anna", "tester")[0].startswith("put the alias back to version 2")
    desk.assert_champion(2)
    assert desk.moves()[-1] == ("restore", "done", 3, 2)
    assert audit(desk.store, "anna") == ()
    assert recover(desk.store, "anna") == ()


def test_alias_set_by_hand_without_any_release_is_removed(desk):
    mlflow_client(desk.store).set_registered_model_alias("anna", "champion", "3")
    assert recover(desk.store, "anna", "tester")[0].startswith("put the alias back to nothing")
    desk.assert_champion(None)


def test_alias_that_mlflow_does_not_move_leaves_the_champion_and_an_undone_row(desk, monkeypatch):
    desk.release(1)
    desk.gate(2)
    monkeypatch.setattr(alias_module, "_set_alias", lambda *_: "disk full")
    with pytest.raises(ReleaseRefused, match=r"MLflow did not move the alias \(disk full\); the champion is as before"):
        desk.promote(2)
    monkeypatch.undo()
    desk.assert_champion(1)
    assert desk.moves()[-1] == ("promote", "undone", 1, 2)
    assert desk.promote(2).changed


def test_every_alias_move_lies_between_two_journal_rows(desk, monkeypatch):
    """The invariant of a release: `started` is written before the alias moves, `done` after it was read back."""
    events = []
    append, set_alias = alias_module.append, alias_module._set_alias

    def note_row(store, entry, *, last_seen):
        events.append(entry.state)
        return append(store, entry, last_seen=last_seen)

    def note_move(store, voice, version):
        events.append(f"alias {version}")
        return set_alias(store, voice, version)

    monkeypatch.setattr(alias_module, "append", note_row)
    monkeypatch.setattr(alias_module, "_set_alias", note_move)
    desk.release(1, 2)
    desk.rollback()
    mlflow_client(desk.store).set_registered_model_alias("anna", "champion", "3")
    recover(desk.store, "anna")
    desk.revoke()
    versions = (1, 2, 1, 1, None)
    assert events == [event for version in versions for event in ("started", f"alias {version}", "done")]


def test_gated_candidate_becomes_challenger(desk):
    desk.release(1)
    desk.gate(2)
    aliases = mlflow_client(desk.store).get_registered_model("anna").aliases
    assert {name: int(version) for name, version in aliases.items()} == {"champion": 1, "challenger": 2}


def test_broken_journal_stops_every_release(desk):
    desk.release(1, 2)
    with sqlite3.connect(desk.store.sqlite_file) as connection:
        connection.execute("UPDATE voxfoundry_journal SET to_version = 3 WHERE number = 2")
    connection.close()
    for call in (desk.rollback, lambda: desk.promote(3), lambda: desk.gate(3)):
        with pytest.raises(JournalError, match="broken at row 2"):
            call()
    assert desk.alias() == 2
    assert audit(desk.store, "anna") == (
        "the journal is broken at row 2: its contents were changed after it was written",
    )

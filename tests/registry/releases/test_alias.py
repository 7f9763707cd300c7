"""The alias: only the journal decides where it is, and it moves between two journal rows."""

from __future__ import annotations

import shutil
import sqlite3

import pytest
from release_desk import Desk
from release_helpers import TODAY

from registry.candidates.candidate import find_candidate
from registry.candidates.fingerprint import CandidateError
from registry.releases import alias as alias_module
from registry.releases import journal
from registry.releases.alias import ReleaseRefused
from registry.releases.audit import audit
from registry.releases.promotion import recover
from registry.releases.service import find_servable
from registry.storage.model_version import ModelRegistryError
from registry.storage.record import JournalError
from registry.storage.records import append_record
from registry.storage.store import mlflow_client, open_store


def test_alias_moved_by_hand_is_put_back_and_journalled(desk):
    desk.release(1, 2)
    mlflow_client(desk.store).set_registered_model_alias("anna", "champion", "3")
    assert audit(desk.store, "anna")[0].startswith("the alias champion is at version 3 and the journal says version 2")
    assert recover(desk.store, "anna", "tester").notes[0].startswith("put the alias back to version 2")
    desk.assert_champion(2)
    assert desk.moves()[-1] == ("restore", "done", 3, 2)
    assert audit(desk.store, "anna") == ()
    assert recover(desk.store, "anna").notes == ()


@pytest.mark.parametrize("version", ["four", "", -1, 2**40, 1.5])
def test_alias_that_names_no_number_of_a_version_is_put_back(desk, version):
    """SQLite keeps whatever somebody writes into MLflow's table."""
    desk.release(1)
    with sqlite3.connect(desk.store.sqlite_file) as connection:
        connection.execute("UPDATE registered_model_aliases SET version = ?", (version,))
    connection.close()
    assert audit(desk.store, "anna")[0].startswith("the alias champion is at version ")
    assert recover(desk.store, "anna").notes[0].startswith("put the alias back to version 1")
    desk.assert_champion(1)
    assert audit(desk.store, "anna") == ()


def test_alias_beside_an_empty_journal_is_not_touched_and_everything_is_refused(desk):
    """H1: a new database, or dropped tables, must not take the champion's alias away."""
    mlflow_client(desk.store).set_registered_model_alias("anna", "champion", "3")
    for call in (lambda: recover(desk.store, "anna"), desk.rollback, lambda: desk.promote(1, first_release=True)):
        with pytest.raises(JournalError, match="is at version 3, and the journal has no release of anna; nothing was"):
            call()
    assert desk.alias() == 3 and desk.moves() == []
    assert "the journal has no release of anna" in audit(desk.store, "anna")[0]


@pytest.mark.parametrize("alias_is_there", [True, False])
def test_another_database_changes_nothing(desk, tmp_path, monkeypatch, alias_is_there):
    """H1: VOXFOUNDRY_DATABASE_URI names a database whose journal does not decide about this registered model."""
    desk.release(1, 2)
    if not alias_is_there:
        mlflow_client(desk.store).delete_registered_model_alias("anna", "champion")
    shutil.rmtree(desk.store.root / "releases")  # another machine, without the anchor
    monkeypatch.setenv("VOXFOUNDRY_DATABASE_URI", f"sqlite:///{tmp_path}/other.db")
    other = Desk(open_store(desk.store.root), desk.recordings, [])
    before = desk.alias()
    for write_first in (False, True):
        if write_first:
            append_record(other.store, "anna", "consent", {})
            shutil.rmtree(desk.store.root / "releases")
        for call in (
            lambda: recover(other.store, "anna"),
            other.rollback,
            lambda: other.promote(2, first_release=True),
        ):
            with pytest.raises(
                JournalError, match=r"are in the journal of the database .* correct VOXFOUNDRY_DATABASE"
            ):
                call()
        assert "are in the journal of the database" in audit(other.store, "anna")[0]
    assert desk.alias() == before


def test_dropped_tables_are_told_by_rollback_and_by_audit_and_change_nothing(desk):
    """H1: audit said broken, rollback was refused, then audit said whole."""
    desk.release(1, 2)
    with sqlite3.connect(desk.store.sqlite_file) as connection:
        for table in ("records", "heads", "database"):
            connection.execute(f"DROP TABLE voxfoundry_{table}")
    connection.close()
    for _ in range(2):
        assert "broken at row 9" in audit(desk.store, "anna")[0]
        with pytest.raises(JournalError, match="broken at row 9"):
            desk.rollback()
    assert desk.alias() == 2


def test_voice_registered_anew_is_not_served_by_the_numbers_of_the_old_one(desk):
    """H2: after the registered model was deleted, versions count from 1 again with other candidates."""
    desk.release(1, 2)
    client = mlflow_client(desk.store)
    unjudged, source = find_candidate(desk.store, "anna", 3), client.get_model_version_download_uri("anna", "3")
    client.delete_registered_model("anna")
    client.create_registered_model("anna")
    for _ in range(2):  # versions 1 and 2 are now candidate 3, which nobody judged
        client.create_model_version("anna", source=source, run_id=unjudged.run_id, tags=unjudged.tags)
    assert recover(desk.store, "anna").notes == (
        "version 2, the champion, is gone from MLflow; roll back to a former one",
    )
    assert desk.alias() is None
    with pytest.raises(CandidateError, match="version 2, the champion of anna, is gone from MLflow"):
        find_servable(desk.store, "anna", recordings_dir=desk.recordings, today=TODAY)
    desk.assert_refused("anna has no version 1", desk.rollback)
    client.set_registered_model_alias("anna", "champion", "2")  # looks right by its number
    assert "the alias was at version 2, moved by hand" in recover(desk.store, "anna").notes[0]
    assert desk.alias() is None


def test_version_whose_tags_claim_to_be_the_champion_is_not_put_into_service(desk):
    """H2: tags are a claim, and the files prove it."""
    desk.release(1, 2)
    client = mlflow_client(desk.store)
    champion_tags = find_candidate(desk.store, "anna", 2).tags
    client.delete_model_version("anna", "2")
    for name in ("candidate_id", "scores_sha256", "prompts_sha256", "weights_sha256"):
        client.set_model_version_tag("anna", "3", name, champion_tags[name])
    assert "anna version 3 is not what was registered" in recover(desk.store, "anna").notes[0]
    assert desk.alias() is None
    with pytest.raises(CandidateError, match="is not what was registered"):
        find_servable(desk.store, "anna", recordings_dir=desk.recordings, today=TODAY)


def test_alias_that_mlflow_does_not_move_leaves_the_champion_and_an_undone_row(desk, monkeypatch):
    desk.release(1)
    desk.gate(2)
    monkeypatch.setattr(alias_module, "place_alias", lambda *_: "disk full")
    with pytest.raises(ReleaseRefused, match=r"MLflow did not move the alias \(disk full\); the champion is as before"):
        desk.promote(2)
    monkeypatch.undo()
    desk.assert_champion(1)
    assert desk.moves()[-1] == ("promote", "undone", 1, 2)
    assert desk.promote(2).changed


def losing_its_answer(call):
    """Return a function that makes a call, and then fails as where a gateway answers for MLflow."""

    def call_and_fail(*arguments):
        call(*arguments)
        raise ModelRegistryError("the MLflow server answered with status 500")

    return call_and_fail


def refuse(*_):
    raise ModelRegistryError("the MLflow server answered with status 503")


def test_move_that_was_done_counts_although_its_answer_was_lost(desk, monkeypatch):
    monkeypatch.setattr(alias_module, "set_alias", losing_its_answer(alias_module.set_alias))
    monkeypatch.setattr(alias_module, "delete_alias", losing_its_answer(alias_module.delete_alias))
    desk.release(1, 2)
    desk.assert_champion(2)
    assert desk.rollback().changed
    desk.assert_champion(1)
    desk.revoke()
    desk.assert_champion(None)
    assert [move[1] for move in desk.moves()] == ["started", "done"] * 4
    assert audit(desk.store, "anna") == ()


@pytest.mark.parametrize("has_moved", [True, False])
def test_move_about_which_mlflow_does_not_tell_is_not_called_refused(desk, monkeypatch, has_moved):
    desk.release(1)
    desk.gate(2)
    with monkeypatch.context() as patched:
        patched.setattr(alias_module, "read_alias", refuse_after_the_move(alias_module, patched))
        patched.setattr(alias_module, "set_alias", losing_its_answer(alias_module.set_alias) if has_moved else refuse)
        with pytest.raises(ModelRegistryError, match="so the promote to version 2 is half done; once MLflow answers"):
            desk.promote(2)
    assert desk.moves()[-1] == ("promote", "started", 1, 2)
    assert recover(desk.store, "anna").notes[0].startswith("finished" if has_moved else "undid")
    desk.assert_champion(2 if has_moved else 1)


def refuse_after_the_move(module, patched):
    """Return a read_alias that answers until the alias was to be moved."""
    read_alias = module.read_alias

    def read(store, name, alias):
        if journal.read_journal(store, name).state.unfinished is not None:
            refuse()
        return read_alias(store, name, alias)

    return read


def test_refusals_begin_with_what_was_recovered(desk, monkeypatch):
    desk.release(1)
    desk.gate(2)
    with monkeypatch.context() as patched, pytest.raises(JournalError):
        patched.setattr(alias_module, "append_end", lambda *_: (_ for _ in ()).throw(JournalError("killed")))
        desk.promote(2)
    with pytest.raises(
        ReleaseRefused, match=r"^finished the promote to version 2 of row 8; anna version 3 is not prom"
    ):
        desk.promote(3)
    mlflow_client(desk.store).set_registered_model_alias("anna", "champion", "3")
    with pytest.raises(ReleaseRefused, match=r"^put the alias back to version 2; .*; version 3 of anna never was"):
        desk.rollback(to=3)


@pytest.mark.parametrize("command", ["promote", "rollback"])
def test_champion_whose_alias_cannot_be_put_back_is_not_called_champion_already(desk, monkeypatch, command):
    desk.release(1, 2)
    mlflow_client(desk.store).set_registered_model_alias("anna", "champion", "3")
    give = (lambda: desk.promote(2)) if command == "promote" else (lambda: desk.rollback(to=2))
    with monkeypatch.context() as patched:
        patched.setattr(alias_module, "set_alias", refuse)
        message = (
            r"could not put the alias back to version 2: .* status 503; so version 2 is the champion in the journal"
        )
        with pytest.raises(ReleaseRefused, match=message):
            give()
    assert desk.alias() == 3
    moved = give()
    assert not moved.changed and moved.note.startswith("put the alias back to version 2")
    desk.assert_champion(2)


def test_every_alias_move_lies_between_two_journal_rows(desk, monkeypatch):
    """The invariant of a release: `started` is written before the alias moves, `done` after it was read back."""
    events = []
    append_record, set_alias, delete_alias = journal.append_record, alias_module.set_alias, alias_module.delete_alias

    def note_row(store, voice, kind, content, **named):
        if kind == "release":
            events.append(content["state"])
        return append_record(store, voice, kind, content, **named)

    def note_move(store, voice, alias, version):
        events.append(f"alias {version}")
        return set_alias(store, voice, alias, version)

    def note_removal(store, voice, alias):
        events.append("alias None")
        return delete_alias(store, voice, alias)

    monkeypatch.setattr(journal, "append_record", note_row)
    monkeypatch.setattr(alias_module, "set_alias", note_move)
    monkeypatch.setattr(alias_module, "delete_alias", note_removal)
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
        connection.execute("UPDATE voxfoundry_records SET content = replace(content, '2', '3') WHERE number = 6")
    connection.close()
    for call in (desk.rollback, lambda: desk.promote(3), lambda: desk.gate(3)):
        with pytest.raises(JournalError, match="broken at row 6"):
            call()
    assert desk.alias() == 2
    assert audit(desk.store, "anna") == (
        "the journal of anna is broken at row 6: its contents were changed after it was written",
    )

"""Roll back: to the release before, or to any former champion."""

from __future__ import annotations

import pytest
from release_desk import LENIENT
from release_helpers import TODAY, policy

from registry.gate.errors import CannotMeasure
from registry.releases import alias as alias_module
from registry.releases import journal, promotion
from registry.releases.alias import ReleaseRefused
from registry.releases.approvals import approve
from registry.releases.audit import audit
from registry.storage.anchor import AnchorError
from registry.storage.database import DatabaseUnreachableError, LockLostError
from registry.storage.store import mlflow_client


def test_rollback_goes_back_one_release_at_a_time_and_stops_at_the_first(desk):
    desk.release_three()
    assert desk.rollback().note == "version 2 is champion now; version 3 was champion before"
    desk.assert_champion(2)
    desk.rollback()
    desk.assert_champion(1)
    desk.assert_refused("version 1 is the first release of anna, so there is none to go back to", desk.rollback)
    assert [move[0] for move in desk.moves()] == ["promote"] * 6 + ["rollback"] * 4
    assert audit(desk.store, "anna") == ()


def test_rollback_to_a_named_version_goes_backwards_and_forwards(desk):
    desk.release_three()
    desk.rollback(to=1)
    desk.assert_champion(1)
    desk.rollback(to=3)
    desk.assert_champion(3)
    assert not desk.rollback(to=3).changed
    assert audit(desk.store, "anna") == ()


def test_rollback_to_a_version_that_never_was_champion_is_refused(desk):
    desk.release(1, 2)
    desk.assert_refused("version 3 of anna never was champion; those that were: 1, 2", lambda: desk.rollback(to=3))


def test_rollback_without_any_release_is_refused(desk):
    desk.assert_refused("anna has no champion to go back from", desk.rollback)


def test_rollback_to_a_deleted_version_is_refused_but_an_earlier_one_is_reached(desk):
    desk.release_three()
    mlflow_client(desk.store).delete_model_version("anna", "2")
    desk.assert_refused("anna has no version 2", desk.rollback)
    desk.assert_refused("anna has no version 2", lambda: desk.rollback(to=2))
    desk.rollback(to=1)
    desk.assert_champion(1)


def test_rollback_from_a_deleted_champion_works(desk):
    desk.release(1, 2)
    mlflow_client(desk.store).delete_model_version("anna", "2")
    assert desk.alias() is None
    assert "version 2, the champion, is gone from MLflow" in desk.rollback().note
    desk.assert_champion(1)


def test_candidate_cannot_be_gated_against_a_deleted_champion(desk):
    desk.release(1)
    mlflow_client(desk.store).delete_model_version("anna", "1")
    with pytest.raises(CannotMeasure, match="the champion of anna, version 1, is gone"):
        desk.gate(2)


def test_release_that_was_rolled_back_is_not_promoted_again_on_its_old_verdict(desk):
    """A scheduled `vox run --promote` finds the verdict of the candidate still up to date after a rollback."""
    desk.release(1, 2)
    desk.rollback()
    given_again = desk.gate(2)  # equal to the one before, so it is that one
    message = "its verdict is older than its release, which was taken back since; .* with `vox rollback anna --to 2`"
    desk.assert_refused(message, lambda: desk.promote(2))
    desk.assert_refused(message, lambda: desk.promote(2, approvals=1))
    desk.assert_refused(message, lambda: approve(desk.store, "anna", version=2))
    assert given_again.verdict.outcome == "pass"
    assert desk.rollback(to=2).changed
    desk.assert_champion(2)
    desk.rollback()
    desk.assert_refused(message, lambda: desk.promote(2))
    assert audit(desk.store, "anna") == ()


def test_release_that_was_rolled_back_is_promoted_on_a_newer_verdict(desk):
    desk.release(1, 2)
    desk.rollback()
    assert desk.gate(2, **LENIENT).verdict.outcome == "pass"  # a new policy asks for a new verdict
    assert desk.promote(2, policy=policy(**LENIENT)).changed
    desk.assert_champion(2)


def test_release_that_another_one_replaced_is_not_promoted_again_on_its_old_verdict(desk):
    """Version 1 replaced version 2 by a promotion, as a rollback would have done."""
    desk.release(1, 2)
    desk.gate(1, **LENIENT)
    assert desk.promote(1, policy=policy(**LENIENT)).changed
    desk.assert_refused("which was taken back since", lambda: desk.promote(2))


def fail_after_done(error):
    """Return an append_record that raises an error after it has written a row `done`."""
    append_record = journal.append_record

    def append_and_fail(store, voice, kind, content, **named):
        record = append_record(store, voice, kind, content, **named)
        if content.get("state") == "done":
            raise error("the disk is full; try again")
        return record

    return append_and_fail


@pytest.mark.parametrize("error", [AnchorError, DatabaseUnreachableError, LockLostError])
def test_error_after_a_rollback_was_done_names_the_command_that_cannot_go_back_twice(desk, monkeypatch, error):
    desk.release_three()
    with monkeypatch.context() as patched, pytest.raises(error, match="repeat it as `vox rollback anna --to 2`"):
        patched.setattr(journal, "append_record", fail_after_done(error))
        desk.rollback()
    assert not desk.rollback(to=2).changed
    desk.assert_champion(2)


def test_error_after_recovery_finished_a_rollback_names_the_command_too(desk, monkeypatch):
    desk.release_three()
    with monkeypatch.context() as patched, pytest.raises(AnchorError):
        patched.setattr(alias_module, "append_end", fail_at_once)
        desk.rollback()
    with monkeypatch.context() as patched, pytest.raises(AnchorError, match="repeat it as `vox rollback anna --to 2`"):
        patched.setattr(journal, "append_record", fail_after_done(AnchorError))
        desk.rollback()
    assert not desk.rollback(to=2).changed
    desk.assert_champion(2)


def fail_at_once(*_):
    raise AnchorError("the disk is full; try again")


def test_error_before_the_target_of_a_rollback_is_known_or_with_a_named_one_is_as_it_is(desk, monkeypatch):
    desk.release_three()

    def fail(*_, **__):
        raise DatabaseUnreachableError("the database cannot be used; give the command again")

    for step, arguments in (("recover_under_lock", {}), ("move_alias", {"to": 2})):
        with monkeypatch.context() as patched, pytest.raises(DatabaseUnreachableError, match=r"command again$"):
            patched.setattr(promotion, step, fail)
            desk.rollback(**arguments)


def test_rollback_of_one_request_is_done_once(desk):
    """A run of Prefect that crashed after its rollback may be repeated by whoever looks after it."""
    desk.release_three()
    arguments = {"recordings_dir": desk.recordings, "actor": "tester", "today": TODAY}
    assert promotion.rollback(desk.store, "anna", request="Prefect run 1", **arguments).changed
    again = promotion.rollback(desk.store, "anna", request="Prefect run 1", **arguments)
    assert (again.changed, again.to_version) == (False, 2)
    assert again.note == "this rollback was done in row 14; version 2 is champion now"
    desk.assert_champion(2)
    assert promotion.rollback(desk.store, "anna", request="Prefect run 2", **arguments).to_version == 1


def test_rollback_of_one_request_that_was_undone_is_done_when_it_is_repeated(desk, monkeypatch):
    desk.release_three()
    arguments = {"recordings_dir": desk.recordings, "actor": "tester", "today": TODAY, "request": "Prefect run 1"}
    with monkeypatch.context() as patched, pytest.raises(ReleaseRefused):
        patched.setattr(alias_module, "place_alias", lambda *_: "disk full")
        promotion.rollback(desk.store, "anna", **arguments)
    assert promotion.rollback(desk.store, "anna", **arguments).changed
    desk.assert_champion(2)

"""Releases killed with SIGKILL at each step, and how the next call recovers them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from release_helpers import kill_self, killed, recordings_of

from registry.releases import alias as alias_module
from registry.releases.audit import audit
from registry.releases.journal import champion, history
from registry.releases.promotion import recover
from registry.storage.store import mlflow_client


def die_after(call: Callable) -> Callable:
    """Return a function that makes the call and then kills its own process."""

    def call_and_die(*arguments: object, **named: object) -> None:
        call(*arguments, **named)
        kill_self()

    return call_and_die


@pytest.fixture
def gated(desk, cold_desk):
    """Version 1 is champion and version 2 may replace it, in a database that this process never opened."""
    desk.release(1)
    desk.gate(2)
    return cold_desk(desk)


def states(desk) -> list[str]:
    return [row.state for row in history(desk.store, "anna")]


def test_promotion_killed_during_the_smoke_test_changes_nothing(gated):
    killed(lambda: gated.promote(2, smoke=kill_self))
    assert states(gated) == ["started", "done"]
    assert gated.alias() == 1
    assert gated.promote(2).changed


def test_promotion_killed_before_the_journal_is_written_changes_nothing(gated, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(alias_module, "append", kill_self)
        killed(lambda: gated.promote(2))
    assert states(gated) == ["started", "done"]
    assert recover(gated.store, "anna").notes == ()


def test_promotion_killed_between_journal_and_alias_is_undone(gated, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(alias_module, "set_alias", kill_self)
        killed(lambda: gated.promote(2))
    assert states(gated) == ["started", "done", "started"]
    assert champion(gated.store, "anna").version == gated.alias() == 1
    assert audit(gated.store, "anna") == ()
    assert recover(gated.store, "anna", "tester").notes == ("undid the promote to version 2 of row 8",)
    assert states(gated) == ["started", "done", "started", "undone"]
    assert gated.promote(2).changed and gated.alias() == 2
    assert audit(gated.store, "anna") == ()


def test_promotion_killed_between_alias_and_journal_is_finished(gated, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(alias_module, "set_alias", die_after(alias_module.set_alias))
        killed(lambda: gated.promote(2))
    assert states(gated) == ["started", "done", "started"]
    assert gated.alias() == 2
    assert audit(gated.store, "anna") == ()
    moved = gated.promote(2)  # finishes the half-done promotion, after which nothing is left to do
    assert not moved.changed and moved.note.startswith("finished the promote to version 2 of row 8")
    assert states(gated) == ["started", "done", "started", "done"]
    assert champion(gated.store, "anna").version == 2
    assert audit(gated.store, "anna") == ()


def test_rollback_after_a_half_done_promotion_reaches_the_release_before_it(gated, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(alias_module, "set_alias", die_after(alias_module.set_alias))
        killed(lambda: gated.promote(2))
    assert gated.rollback().changed
    assert champion(gated.store, "anna").version == gated.alias() == 1


def test_killed_recovery_is_recovered(gated, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(alias_module, "set_alias", kill_self)
        killed(lambda: gated.promote(2))
    with monkeypatch.context() as patched:
        patched.setattr(alias_module, "append", kill_self)
        killed(lambda: recover(gated.store, "anna"))
    assert len(recover(gated.store, "anna").notes) == 1
    assert audit(gated.store, "anna") == ()


def test_alias_moved_by_hand_after_a_kill_is_put_where_the_journal_says(gated, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(alias_module, "set_alias", kill_self)
        killed(lambda: gated.promote(2))
    mlflow_client(gated.store).set_registered_model_alias("anna", "champion", "3")
    assert audit(gated.store, "anna") != ()
    assert len(recover(gated.store, "anna").notes) == 2
    assert gated.alias() == champion(gated.store, "anna").version == 1


def test_killed_revocation_is_finished_even_if_the_alias_had_not_moved(gated, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(alias_module, "delete_alias", kill_self)
        killed(gated.revoke)
    assert gated.alias() == 1
    recordings_of(gated.store.root)
    recover(gated.store, "anna")
    assert gated.alias() is None
    assert champion(gated.store, "anna") is None
    assert audit(gated.store, "anna") == ()


def test_rollback_killed_after_the_alias_moved_and_given_again_goes_back_once(desk, cold_desk, monkeypatch):
    """H5: the second call finds the first one done, and must not go back a release more."""
    desk.release_three()
    cold = cold_desk(desk)
    with monkeypatch.context() as patched:
        patched.setattr(alias_module, "set_alias", die_after(alias_module.set_alias))
        killed(cold.rollback)
    moved = cold.rollback()
    cold.assert_champion(2)
    assert (moved.changed, moved.from_version, moved.to_version) == (True, 3, 2)
    assert moved.note.startswith("finished the rollback to version 2 of row 13; give the command again to go back")
    assert cold.rollback().to_version == 1


def test_rollback_killed_before_the_alias_moved_and_given_again_goes_back_once(desk, cold_desk, monkeypatch):
    desk.release_three()
    cold = cold_desk(desk)
    with monkeypatch.context() as patched:
        patched.setattr(alias_module, "set_alias", kill_self)
        killed(cold.rollback)
    assert cold.rollback().note.startswith("undid the rollback to version 2 of row 13; version 2 is champion now")
    cold.assert_champion(2)

"""A promotion killed with SIGKILL at each of its steps, and what the next call makes of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from release_helpers import TODAY, kill_self, killed, recordings_of

from registry.releases import alias as alias_module
from registry.releases.audit import audit
from registry.releases.journal import champion, history, release_state
from registry.releases.promotion import recover, revoke
from registry.storage.store import mlflow_client


def after(call: Callable) -> Callable:
    """The call itself, and then death."""

    def doomed(*arguments: object, **named: object) -> None:
        call(*arguments, **named)
        kill_self()

    return doomed


@pytest.fixture
def judged(desk, cold_desk):
    """Version 1 is champion and version 2 may replace it; in a database that this process never opened."""
    desk.release(1)
    desk.judge(2)
    return cold_desk(desk)


def states(desk) -> list[str]:
    return [row.state for row in history(desk.store, "anna")]


def test_killed_while_the_voice_speaks_nothing_has_happened(judged):
    killed(lambda: judged.promote(2, smoke=kill_self))
    assert states(judged) == ["started", "done"]
    assert judged.alias() == 1
    assert judged.promote(2).changed


def test_killed_before_the_journal_is_written_nothing_has_happened(judged, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(alias_module, "append", kill_self)
        killed(lambda: judged.promote(2))
    assert states(judged) == ["started", "done"]
    assert recover(judged.store, "anna") == ()


def test_killed_between_journal_and_alias_is_undone(judged, monkeypatch):
    from mlflow import MlflowClient

    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, "set_registered_model_alias", kill_self)
        killed(lambda: judged.promote(2))
    assert states(judged) == ["started", "done", "started"]
    assert champion(judged.store, "anna").version == judged.alias() == 1
    assert audit(judged.store, "anna") == ()
    assert recover(judged.store, "anna", "tester") == ("undid the promote to version 2 of row 3",)
    assert states(judged) == ["started", "done", "started", "undone"]
    assert judged.promote(2).changed and judged.alias() == 2
    assert audit(judged.store, "anna") == ()


def test_killed_between_alias_and_journal_is_finished(judged, monkeypatch):
    from mlflow import MlflowClient

    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, "set_registered_model_alias", after(MlflowClient.set_registered_model_alias))
        killed(lambda: judged.promote(2))
    assert states(judged) == ["started", "done", "started"]
    assert judged.alias() == 2
    assert audit(judged.store, "anna") == ()
    moved = judged.promote(2)  # finds it half done, finishes it, and has nothing left to do
    assert not moved.changed and moved.note.startswith("finished the promote to version 2 of row 3")
    assert states(judged) == ["started", "done", "started", "done"]
    assert champion(judged.store, "anna").version == 2
    assert audit(judged.store, "anna") == ()


def test_killed_half_way_and_then_rolled_back_lands_on_the_release_before(judged, monkeypatch):
    from mlflow import MlflowClient

    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, "set_registered_model_alias", after(MlflowClient.set_registered_model_alias))
        killed(lambda: judged.promote(2))
    assert judged.rollback().changed
    assert champion(judged.store, "anna").version == judged.alias() == 1


def test_killed_recovery_is_recovered(judged, monkeypatch):
    from mlflow import MlflowClient

    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, "set_registered_model_alias", kill_self)
        killed(lambda: judged.promote(2))
    with monkeypatch.context() as patched:
        patched.setattr(alias_module, "append", kill_self)
        killed(lambda: recover(judged.store, "anna"))
    assert len(recover(judged.store, "anna")) == 1
    assert audit(judged.store, "anna") == ()


def test_alias_moved_by_hand_after_a_kill_ends_where_the_journal_says(judged, monkeypatch):
    from mlflow import MlflowClient

    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, "set_registered_model_alias", kill_self)
        killed(lambda: judged.promote(2))
    mlflow_client(judged.store).set_registered_model_alias("anna", "champion", "3")
    assert audit(judged.store, "anna") != ()
    assert len(recover(judged.store, "anna")) == 2
    assert judged.alias() == champion(judged.store, "anna").version == 1


def test_killed_revocation_is_finished_though_the_alias_had_not_moved(judged, monkeypatch):
    from mlflow import MlflowClient

    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, "delete_registered_model_alias", kill_self)
        killed(lambda: revoke(judged.store, "anna", recordings_dir=judged.recordings, today=TODAY))
    assert judged.alias() == 1
    recordings_of(judged.store.root)
    recover(judged.store, "anna")
    assert judged.alias() is None
    assert release_state(history(judged.store, "anna")).champion is None

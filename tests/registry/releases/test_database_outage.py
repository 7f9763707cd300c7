"""PostgreSQL goes away in the middle of a release, and comes back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from postgres_server import Postgres
from release_desk import Desk

from registry.releases import alias as alias_module
from registry.releases.audit import audit
from registry.releases.promotion import recover
from registry.storage.database import DatabaseUnreachableError, LockLostError

pytestmark = pytest.mark.parametrize("store", ["postgresql"], indirect=True)
UNREACHABLE = (
    r"^the database postgresql://127\.0\.0\.1:\d+/\w+ cannot be used \(.+\); once it answers, give the command"
)


@pytest.fixture
def gated(desk: Desk) -> Desk:
    """Version 1 is champion and version 2 may replace it."""
    desk.release(1)
    desk.gate(2)
    return desk


@pytest.fixture
def outage(postgres: Postgres) -> Iterator[Postgres]:
    """The server, which a test may stop. It runs again afterwards."""
    yield postgres
    if not postgres.is_running:
        postgres.start()


def test_database_that_goes_away_while_the_voice_speaks_leaves_the_champion(gated, outage):
    with pytest.raises(DatabaseUnreachableError, match=UNREACHABLE) as refusal:
        gated.promote(2, smoke=lambda folder, texts: outage.stop())
    assert outage.password not in str(refusal.value)
    outage.start()
    gated.assert_champion(1)
    assert gated.promote(2).changed
    gated.assert_champion(2)
    assert audit(gated.store, "anna") == ()


def test_database_that_goes_away_before_the_alias_moves_leaves_a_release_to_undo(gated, outage, monkeypatch):
    append = alias_module.append

    def append_and_stop(*arguments, **named):
        row = append(*arguments, **named)
        outage.stop()
        return row

    with monkeypatch.context() as patched, pytest.raises(Exception, match=r"(?i)connection"):
        patched.setattr(alias_module, "append", append_and_stop)
        gated.promote(2)
    outage.start()
    assert gated.alias() == 1
    (undone,) = recover(gated.store, "anna", "tester").notes
    assert undone.startswith("undid the promote to version 2 of row")
    assert gated.promote(2).changed
    assert audit(gated.store, "anna") == ()


def test_database_that_goes_away_after_the_alias_moved_leaves_a_release_to_finish(gated, outage, monkeypatch):
    move = alias_module.place_alias

    def move_and_stop(*arguments):
        error = move(*arguments)
        outage.stop()
        return error

    with monkeypatch.context() as patched, pytest.raises(DatabaseUnreachableError, match=UNREACHABLE):
        patched.setattr(alias_module, "place_alias", move_and_stop)
        gated.promote(2)
    outage.start()
    assert gated.alias() == 2
    assert gated.promote(2).note.startswith("finished the promote to version 2 of row")
    gated.assert_champion(2)
    assert audit(gated.store, "anna") == ()


def test_database_that_restarts_while_the_voice_speaks_is_not_noticed(gated, outage):
    def restart(*_: object) -> None:
        outage.stop()
        outage.start()

    assert gated.promote(2, smoke=restart).changed
    gated.assert_champion(2)


def test_database_that_restarts_under_the_lock_is_reported_and_the_release_is_whole(gated, outage, monkeypatch):
    move = alias_module.place_alias

    def move_and_restart(*arguments):
        error = move(*arguments)
        outage.stop()
        outage.start()
        return error

    with monkeypatch.context() as patched, pytest.raises(LockLostError, match="run `vox audit`"):
        patched.setattr(alias_module, "place_alias", move_and_restart)
        gated.promote(2)
    gated.assert_champion(2)
    assert audit(gated.store, "anna") == ()

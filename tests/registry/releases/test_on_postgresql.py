"""Releases with MLflow and the journal in a real PostgreSQL."""

from __future__ import annotations

import pytest
from release_helpers import kill_self, killed

from registry.releases import alias
from registry.releases.audit import audit
from registry.releases.promotion import recover

pytestmark = pytest.mark.parametrize("store", ["postgresql"], indirect=True)


def test_life_of_a_voice_from_its_first_release_to_its_revocation(desk):
    desk.release_three()
    assert desk.rollback().to_version == 2
    assert desk.promote(2).changed is False
    assert desk.rollback(to=3).to_version == 3
    desk.assert_champion(3)
    assert audit(desk.store, "anna") == ()
    desk.revoke()
    desk.assert_champion(None)
    assert audit(desk.store, "anna") == ()


def test_promotion_killed_between_journal_and_alias_is_undone(desk, cold_desk, monkeypatch):
    desk.release(1)
    desk.gate(2)
    cold = cold_desk(desk)
    with monkeypatch.context() as patched:
        patched.setattr(alias, "set_alias", kill_self)
        killed(lambda: cold.promote(2))
    (undone,) = recover(cold.store, "anna", "tester").notes
    assert undone.startswith("undid the promote to version 2 of row")
    assert cold.promote(2).changed
    cold.assert_champion(2)
    assert audit(cold.store, "anna") == ()
